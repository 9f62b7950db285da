"""What can be measured of each block of a page? In: a scanned page. Out: float32 [B, F], one row a block, one column a measure of NAMES.

Of the block itself: length, links, punctuation, capitals (boilerpipe: Kohlschütter et al. 2010, section 3). Of what is around it:
tags and kinds of names, and how much text and links the four elements around it hold. Of the page: where the block stands, and
where the element that collects most running text is (the idea of Readability, Arc90 2010). Of its neighbours: the same lengths
and links. Lengths count a Chinese character as three letters, so that what was learned on one script carries to the other.

Every pass is linear in elements and blocks; nothing climbs further than four elements up.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract import names
from headwater.corpus.extract.blocks import (
    BARS,
    BREAKS,
    CAPITALS,
    CHARS,
    COMMAS,
    DEPTH,
    DIGITS,
    ELEMENT,
    FIRST,
    HIDDEN,
    IMAGES,
    IN_PRE,
    INPUTS,
    LAST,
    LINK_CHARS,
    LINKS,
    LISTS,
    PARENT,
    STOP,
    STOPS,
    STRONG_CHARS,
    TAG,
    WIDE,
    WORDS,
)
from headwater.corpus.extract.scan import Scanned

UP = 4
"""Elements looked at above a block."""
BESIDE = 3
"""Blocks looked at before and after."""
OPEN = (
    "p",
    "article",
    "main",
    "section",
    "header",
    "footer",
    "nav",
    "aside",
    "form",
    "figure",
    "dl",
    "table",
    "blockquote",
    "li",
    "td",
    "pre",
)
OWN = (
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "li",
    "td",
    "th",
    "pre",
    "dt",
    "dd",
    "div",
    "span",
    "figcaption",
    "blockquote",
    "section",
    "article",
    "label",
)
KINDS = tuple(names.KINDS)
NAMES = (
    "size",
    "words",
    "link_share",
    "links",
    "commas",
    "stops",
    "capitals",
    "digits",
    "strong",
    "word_length",
    "lists",
    "in_pre",
    "bars",
    "last",
    "breaks",
    "wide",
    *[f"own_{tag}" for tag in OWN],
    *[f"open_{tag}" for tag in OPEN],
    "depth",
    "hidden",
    *[f"near_{kind}" for kind in KINDS],
    *[f"any_{kind}" for kind in KINDS],
    *[f"{what}_{level}" for level in range(1, UP + 1) for what in ("size", "links", "blocks", "place", "prose", "images", "inputs")],
    "place",
    "place_text",
    "blocks",
    "page_size",
    "page_links",
    "page_prose",
    "in_best",
    "best_share",
    "after_best_start",
    "after_best_end",
    "best_size",
    "in_article",
    "article_share",
    "after_h1",
    "h1s",
    "heading_before",
    *[
        f"{what}_{side}{step}"
        for side in ("before", "after")
        for step in range(1, BESIDE + 1)
        for what in ("size", "links", "stops", "same", "head")
    ],
    "prose_before",
    "prose_after",
    "seen",
)
LISTED, ANY = NAMES.index("near_" + KINDS[0]), NAMES.index("any_" + KINDS[0])


def features(page: Scanned) -> np.ndarray:
    """float32 [B, F]"""
    found: np.ndarray = _features(page.elements, page.kinds, page.blocks, page.text)
    return found


@njit(inline="never")
def letters_of(block: np.ndarray) -> np.float32:
    """Length of a block's text in letters of an alphabet."""
    return np.float32(block[CHARS] + 2 * block[WIDE])


@njit
def _features(elements: np.ndarray, kinds: np.ndarray, blocks: np.ndarray, text: np.ndarray) -> np.ndarray:
    E, B = len(elements), len(blocks)
    out = np.zeros((B, len(NAMES)), np.float32)
    if B == 0:
        return out
    # Running sums over blocks: any element's share is a difference.
    size_sum, link_sum, prose_sum = np.zeros(B + 1, np.float32), np.zeros(B + 1, np.float32), np.zeros(B + 1, np.float32)
    size, link, stop = np.zeros(B, np.float32), np.zeros(B, np.float32), np.zeros(B, np.float32)
    head = np.zeros(B, np.float32)
    score = np.zeros(E, np.float32)
    h1 = -1
    h1s = 0
    article = 0
    article_size = np.float32(0)
    for b in range(B):
        block = blocks[b]
        size[b] = letters_of(block)
        link[b] = block[LINK_CHARS] / max(1, block[CHARS])
        stop[b] = min(block[STOPS] + 0.5 * block[COMMAS], 20)
        element = block[ELEMENT]
        tag = elements[element, TAG]
        head[b] = H1 <= tag <= H6
        if tag == H1:
            h1s += 1
            if h1 < 0 or (h1s == 2 and size[h1] < 15):
                h1 = b
        prose = np.float32(0)
        if size[b] >= 60 and link[b] < 0.5 and block[STOPS] + block[COMMAS] > 0:
            prose = size[b] * (1 - link[b])
            points = 1 + block[COMMAS] + min(3, size[b] / 100)
            for up in range(3):
                element = elements[element, PARENT] if up or tag != DIV else element
                if element < 0:
                    break
                score[element] += points / (1 + up)
        size_sum[b + 1] = size_sum[b] + size[b]
        link_sum[b + 1] = link_sum[b] + size[b] * link[b]
        prose_sum[b + 1] = prose_sum[b] + prose
    total, links_all, prose_all = max(np.float32(1), size_sum[B]), link_sum[B], max(np.float32(1), prose_sum[B])
    best = 0
    best_score = np.float32(-1)
    for e in range(E):
        first, last = elements[e, FIRST], elements[e, STOP]
        held = size_sum[last] - size_sum[first]
        if score[e] > 0:
            score[e] *= 1 - (link_sum[last] - link_sum[first]) / max(np.float32(1), held)
            if kinds[e, 1] & BAD:
                score[e] *= 0.5
            if kinds[e, 0] & GOOD:
                score[e] *= 1.25
            if score[e] > best_score:
                best, best_score = e, score[e]
        if (elements[e, TAG] == ARTICLE or elements[e, TAG] == MAIN or kinds[e, 0] & BODY) and held > article_size:
            article, article_size = e, held
    best_first, best_stop = elements[best, FIRST], elements[best, STOP]
    best_size = size_sum[best_stop] - size_sum[best_first]

    seen = np.zeros(8192, np.int64)
    since_head = 0
    for b in range(B):
        block, row = blocks[b], out[b]
        element = block[ELEMENT]
        chars = np.float32(max(1, block[CHARS]))
        words = np.float32(max(1, block[WORDS]))
        row[0] = np.log1p(size[b])
        row[1] = np.log1p(words + block[WIDE] / 2)
        row[2] = link[b]
        row[3] = min(block[LINKS], 30)
        row[4] = block[COMMAS] * 100 / size[b] if size[b] else 0
        row[5] = block[STOPS] * 100 / size[b] if size[b] else 0
        row[6] = block[CAPITALS] / words
        row[7] = block[DIGITS] / chars
        row[8] = block[STRONG_CHARS] / chars
        row[9] = min(20, chars / words)
        row[10] = block[LISTS]
        row[11] = block[IN_PRE]
        row[12] = min(20, block[BARS])
        row[13] = block[LAST]
        row[14] = min(20, block[BREAKS])
        row[15] = block[WIDE] / chars
        at = 16
        tag = elements[element, TAG]
        for index in range(len(OWN_NUMBERS)):
            row[at + index] = tag == OWN_NUMBERS[index]
        at += len(OWN_NUMBERS)
        for index in range(len(OPEN_NUMBERS)):
            row[at + index] = (kinds[element, 2] >> OPEN_NUMBERS[index]) & 1
        at += len(OPEN_NUMBERS)
        row[at] = elements[element, DEPTH]
        row[at + 1] = (kinds[element, 1] & HIDDEN) != 0
        at += 2
        near = kinds[element, 0]
        up = element
        for _ in range(2):
            up = max(0, elements[up, PARENT])
            near |= kinds[up, 0]
        for bit in range(len(KINDS)):
            row[at + bit] = (near >> bit) & 1
            row[at + len(KINDS) + bit] = (kinds[element, 1] >> bit) & 1
        at += 2 * len(KINDS)
        up = element
        held_before = -1
        for _level in range(UP):
            # an element that holds the same blocks as the one below tells nothing new
            while (
                up > 0 and elements[up, STOP] - elements[up, FIRST] == held_before and elements[element, DEPTH] - elements[up, DEPTH] < 12
            ):
                up = elements[up, PARENT]
            first, last = elements[up, FIRST], elements[up, STOP]
            held_before = last - first
            held = max(np.float32(1), size_sum[last] - size_sum[first])
            row[at] = np.log1p(held)
            row[at + 1] = (link_sum[last] - link_sum[first]) / held
            row[at + 2] = np.log1p(np.float32(held_before))
            row[at + 3] = (b - first) / max(1, held_before)
            row[at + 4] = (prose_sum[last] - prose_sum[first]) / held
            row[at + 5] = min(20, elements[up, IMAGES])
            row[at + 6] = min(20, elements[up, INPUTS])
            at += 7
        row[at] = b / B
        row[at + 1] = size_sum[b] / total
        row[at + 2] = np.log1p(np.float32(B))
        row[at + 3] = np.log1p(total)
        row[at + 4] = links_all / total
        row[at + 5] = prose_all / total
        at += 6
        row[at] = best_first <= b < best_stop
        row[at + 1] = prose_all and (prose_sum[best_stop] - prose_sum[best_first]) / prose_all
        row[at + 2] = max(-50, min(50, b - best_first))
        row[at + 3] = max(-50, min(50, b - best_stop))
        row[at + 4] = np.log1p(best_size)
        row[at + 5] = article > 0 and elements[article, FIRST] <= b < elements[article, STOP]
        row[at + 6] = article_size / total
        row[at + 7] = max(-50, min(50, b - h1)) if h1 >= 0 else 99
        row[at + 8] = min(h1s, 9)
        row[at + 9] = min(since_head, 20)
        at += 10
        since_head = 0 if head[b] else since_head + 1
        for side in range(2):
            for step in range(1, BESIDE + 1):
                other = b - step if side == 0 else b + step
                if 0 <= other < B:
                    row[at] = np.log1p(size[other])
                    row[at + 1] = link[other]
                    row[at + 2] = stop[other]
                    row[at + 3] = elements[blocks[other, ELEMENT], PARENT] == elements[element, PARENT]
                    row[at + 4] = head[other]
                else:
                    row[at : at + 5] = -1
                at += 5
        row[at] = (prose_sum[b] - prose_sum[max(0, b - 6)]) / 100
        row[at + 1] = (prose_sum[min(B, b + 7)] - prose_sum[b + 1]) / 100
        code = np.uint64(names.OFFSET)
        for place in range(block[1], min(block[2], block[1] + 200)):
            code = (code ^ np.uint64(text[place])) * np.uint64(names.PRIME)
        key = np.int64(code & np.uint64(names.MASK))
        row[at + 2] = seen[key & 8191] == key
        seen[key & 8191] = key
    return out


H1, H6, DIV, ARTICLE, MAIN = (names.TAGS[tag][0] for tag in ("h1", "h6", "div", "article", "main"))
OWN_NUMBERS = np.array([names.TAGS[tag][0] for tag in OWN], np.int64)
OPEN_NUMBERS = np.array([names.TAGS[tag][0] for tag in OPEN], np.int64)
BAD = sum(1 << names.KIND_BIT[kind] for kind in ("comment", "nav", "footer", "sidebar", "related", "consent"))
GOOD = sum(1 << names.KIND_BIT[kind] for kind in ("content", "body"))
BODY = 1 << names.KIND_BIT["body"]
