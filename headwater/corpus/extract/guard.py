"""Can this page be parsed in bounded time, and what is its text if it cannot? In: UTF-8 bytes. Out: the page without what only
programs read (scripts, styles, comments: half of a page's bytes), or nothing; or its text without tags.

HTML5 tree building takes time with the square of two things that no real page has many of: elements open within each other (each
`<div>` looks through all for an open `<p>`), and attributes of one tag (each is compared with all). Measured with lexbor: 100,000
nested `<div>` 35 s, 200,000 attributes 161 s; at the limits below a page of 1 MB stays under a second.
"""

from __future__ import annotations

import html

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract.names import OFFSET, PRIME, hash_of

DEPTH = 512
"""Elements open within each other; of 990 real pages the deepest had 94."""
ATTRIBUTES = 512
"""Attributes of one tag; of 990 real pages the richest had 55."""
UNPAIRED = np.array(
    [
        hash_of(name)
        for name in [
            "area",
            "base",
            "br",
            "col",
            "embed",
            "hr",
            "img",
            "input",
            "link",
            "meta",
            "param",
            "source",
            "track",
            "wbr",
            "dd",
            "dt",
            "li",
            "option",
            "p",
            "tbody",
            "td",
            "tfoot",
            "th",
            "thead",
            "tr",
            "path",
            "circle",
            "rect",
            "line",
            "polygon",
            "polyline",
            "ellipse",
            "use",
            "stop",
        ]
    ],
    np.int64,
)
"""Elements without an end tag, or whose end tag may be left out, or that close themselves: they do not nest in themselves."""
SVG, MATH, SCRIPT, STYLE = (hash_of(name) for name in ("svg", "math", "script", "style"))
RAW = np.array([hash_of(name) for name in ("script", "style", "textarea", "title", "iframe", "noembed", "noframes", "xmp")], np.int64)
"""Elements whose contents are no markup, up to their end tag."""


def prepared(page: bytes | np.ndarray, lean: bool = True) -> bytes | None:
    """The page for the parser; None if it would take too long over it. The contents of scripts that hold TeX stay.

    `lean`: without the attributes that the scanner does not look at (a third of what is left); not for a page in which CSS selectors
    are sought.
    """
    data = np.frombuffer(page, np.uint8)
    out, deepest, most = _prepared(data, UNPAIRED, lean)
    return out.tobytes() if deepest <= DEPTH and most <= ATTRIBUTES else None


def without_tags(page: bytes | np.ndarray) -> str:
    """Text between the tags, each tag a line break; scripts and styles left out. Linear in the bytes, whatever they are."""
    return html.unescape(_flat(np.frombuffer(page, np.uint8)).tobytes().decode("utf-8", "replace")).strip()


@njit
def _prepared(data: np.ndarray, unpaired: np.ndarray, lean: bool) -> tuple[np.ndarray, int, int]:
    """`(page, elements open at once as far as tags tell, attributes of one tag)`; both at their most, never less than the parser will see.

    Scripts and styles are passed over, but not inside SVG or MathML, where the parser reads them as markup.
    """
    out = np.empty(len(data), np.uint8)
    count = 0
    copied = 0
    depth = deepest = most = foreign = 0
    place, size = 0, len(data)
    while place < size:
        if data[place] != 60:
            place += 1
            continue
        place += 1
        if place + 2 < size and data[place] == 33 and data[place + 1] == 45 and data[place + 2] == 45:
            begun = place - 1
            place += 1  # `<!-->` is whole
            while place + 2 < size and not (data[place] == 45 and data[place + 1] == 45 and data[place + 2] == 62):
                if data[place] == 45 and data[place + 1] == 45 and data[place + 2] == 33:
                    break  # `--!>` may end it, too: leave the judgement to the parser
                place += 1
            if place + 2 < size and data[place + 2] == 62 and foreign == 0 and place > begun + 4:
                # its marks stay: without them a `<` before it could join the text after it
                out[count : count + begun + 4 - copied] = data[copied : begun + 4]
                count += begun + 4 - copied
                copied = place
            continue
        if foreign and place + 2 < size and data[place] == 33 and data[place + 1] == 91 and data[place + 2] == 67:
            while place + 2 < size and not (data[place] == 93 and data[place + 1] == 93 and data[place + 2] == 62):
                place += 1
            continue
        end = place < size and data[place] == 47
        letter = place + end < size and 97 <= data[place + end] | 32 <= 122
        if place < size and not letter and (end or data[place] == 33 or data[place] == 63):
            while place < size and data[place] != 62:  # a doctype, or what the parser takes for a comment
                place += 1
            continue
        place += end
        if place >= size or not 97 <= data[place] | 32 <= 122:
            continue
        code = np.uint64(OFFSET)
        named = place
        while place < size and data[place] > 32 and data[place] != 62 and data[place] != 47:
            code = (code ^ np.uint64(data[place] | 32 if 65 <= data[place] <= 90 else data[place])) * np.uint64(PRIME)
            place += 1
        key = np.int64(code & np.uint64((1 << 62) - 1))
        attributes = 0
        quote = 0
        before = 32
        gap = True
        keeps = False
        name = -1
        while place < size:
            byte = data[place]
            keeps |= byte == 120 and before == 101 and data[place - 2] == 116 and data[place - 3] == 47  # math/tex
            if quote:
                if byte == quote:
                    quote = 0
                    gap = True
                    if lean and name >= 0 and not keeps and is_idle(data, name):
                        out[count : count + name - copied] = data[copied:name]
                        count += name - copied
                        copied = place + 1
            elif byte == 62:
                break
            elif (byte == 34 or byte == 39) and before == 61:
                quote = byte
            elif byte <= 32 or byte == 47:
                gap = True
                name = -1
            elif byte != 61:
                if gap:
                    attributes += 1
                    name = place
                gap = False
            if byte > 32:
                before = byte
            place += 1
        most = max(most, attributes)
        closed_itself = before == 47
        if key in (SVG, MATH):
            foreign = max(0, foreign - 1) if end else foreign + (not closed_itself)
        known = False
        for other in unpaired:
            known |= other == key
        if not known and not closed_itself:
            depth = max(0, depth - 1) if end else depth + 1
            deepest = max(deepest, depth)
        raw = False
        for other in RAW:
            raw |= other == key
        if raw and not end and foreign == 0:
            begun = place + 1
            escapes = False
            while place < size and not (data[place] == 60 and ends(data, place, named)):
                escapes |= data[place] == 60 and place + 1 < size and data[place + 1] == 33
                place += 1
            # `<!--` in a script may change where the script ends: such a one is left as it is.
            if place < size and key in (SCRIPT, STYLE) and not escapes and not keeps and begun < place:
                out[count : count + begun - copied] = data[copied:begun]
                count += begun - copied
                copied = place
    out[count : count + size - copied] = data[copied:]
    return out[: count + size - copied].copy(), deepest, most


@njit(inline="never")
def ends(data: np.ndarray, place: int, name: int) -> bool:
    """Whether an end tag stands here for the element whose name begins at `name`."""
    if place + 1 >= len(data) or data[place + 1] != 47:
        return False
    place += 2
    while 97 <= data[name] | 32 <= 122:
        if place >= len(data) or data[place] | 32 != data[name] | 32:
            return False
        place += 1
        name += 1
    return place < len(data) and not 97 <= data[place] | 32 <= 122


@njit(inline="never")
def is_idle(data: np.ndarray, place: int) -> bool:
    """Whether an attribute's name is none that the scanner or the parser asks for: class, id, itemprop, role, style, hidden, type,
    encoding, alttext. Two letters tell them from the common others."""
    first = data[place] | 32
    second = data[place + 1] | 32
    idle = bool(first != 105 and first != 101)
    for letter, other in ((99, 108), (114, 111), (115, 116), (104, 105), (116, 121), (97, 108)):  # cl ro st hi ty al
        if first == letter:
            idle = bool(second != other)
    return idle


@njit
def _flat(data: np.ndarray) -> np.ndarray:
    out = np.empty(len(data), np.uint8)
    count = 0
    place, size = 0, len(data)
    while place < size:
        byte = data[place]
        following = data[place + 1] if place + 1 < size else np.uint8(0)
        if byte != 60 or not (97 <= following | 32 <= 122 or following == 47 or following == 33):
            out[count] = byte if byte else 32
            count += 1
            place += 1
            continue
        raw = (
            place + 2 < size and (following | 32) == 115 and ((data[place + 2] | 32) == 99 or (data[place + 2] | 32) == 116)
        )  # <script, <style, <strong
        raw = raw and place + 3 < size and (data[place + 3] | 32) in (121, 114) and (place + 4 >= size or (data[place + 4] | 32) != 111)
        while place < size and data[place] != 62:
            place += 1
        place += 1
        if raw:
            while place + 1 < size and not (data[place] == 60 and data[place + 1] == 47):
                place += 1
        if count and out[count - 1] != 10:
            out[count] = 10
            count += 1
    return out[:count].copy()
