"""Which blocks of text does a page hold? In: a page as an HTML5 parser writes it out again (UTF-8 bytes). Out: its elements, its
blocks of text with counts of what is in them, and their text with white space as a browser would show it.

The parser (lexbor) has settled everything that is hard in HTML: every element is closed, quotes and `<` are escaped. What is left
is one pass over bytes, linear in their number whatever they hold. A block is text without a block element's border within it:
a paragraph, a heading, a list item, a cell. Two `<br>` in a row end a block, too. Mathematics is taken as TeX where the page has it
(MathML's annotation or `alttext`, MathJax's scripts) and stands between `$`; code within a line stands between backticks.

Legend: E elements, B blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract import names
from headwater.corpus.extract.attributes import (
    ALT_END,
    ALT_START,
    ANNOTATES,
    ASKS_PASSWORD,
    MATH_SCRIPT,
    NOTES,
    SKIPS,
    ends,
    lookup,
    read_attributes,
    same,
)
from headwater.corpus.extract.blocks import (
    CHARS,
    COLUMNS,
    DEPTH,
    ELEMENT_COLUMNS,
    END,
    FIRST,
    IMAGES,
    INPUTS,
    ITEMS,
    LINKS,
    PARENT,
    STOP,
    TAG,
    WORDS,
)
from headwater.corpus.extract.text import GAP, IN_WORD, PENDING, STARTED, STATE, put, read_text

LT, GT, SLASH, SPACE, BANG, DASH, NEWLINE, DOLLAR, TICK = 60, 62, 47, 32, 33, 45, 10, 36, 96
PASSWORD, FRAMES, ADS = range(3)
"""Page-wide counts: password fields, frames, elements whose names say advertisement."""
BODY_TAG, HTML_TAG, ORDERED_TAG, BOLD_TAG, STRONG_TAG = (names.TAGS[tag][0] for tag in ("body", "html", "ol", "b", "strong"))
AD_BIT = names.KIND_BIT["ad"]
INLINE_ROLES = sum(1 << role for role in (names.INLINE, names.LINK, names.CODE, names.MATH, names.ANNOTATION, names.SKIP))
RAW_ROLES = sum(1 << role for role in (names.TITLE, names.RAW, names.SCRIPT))


@dataclass(frozen=True, slots=True)
class Scanned:
    """A page, taken apart."""

    elements: np.ndarray
    """int32 [E, 8]"""
    kinds: np.ndarray
    """int64 [E, 3]: the kinds of names of the element itself; of it and all around it; tags open around it, by number."""
    blocks: np.ndarray
    """int32 [B, 19]"""
    text: np.ndarray
    """uint8: the blocks' text, one after the other."""
    title: str
    """Still escaped."""
    counts: np.ndarray
    """int64 [3]"""


def scan(page: bytes) -> Scanned:
    data = np.frombuffer(page, np.uint8)
    elements, kinds, blocks, text, title, counts = _scan(data, *names.tag_table(), *names.word_table())
    return Scanned(elements, kinds, blocks, text, page[title[0] : title[1]].decode("utf-8", "replace"), counts)


@njit
def _scan(data: np.ndarray, tag_keys: np.ndarray, tag_values: np.ndarray, word_keys: np.ndarray, word_values: np.ndarray):  # type: ignore[no-untyped-def]
    size = len(data)
    opening = 0
    for byte in data:
        opening += byte == LT
    elements = np.zeros((opening + 2, ELEMENT_COLUMNS), np.int32)
    kinds = np.zeros((opening + 2, 3), np.int64)
    blocks = np.zeros((opening + 2, COLUMNS), np.int32)
    text = np.empty(size + opening * 2 + 16, np.uint8)
    stack, roles, block_stack = np.zeros(opening + 2, np.int32), np.zeros(opening + 2, np.int8), np.zeros(opening + 2, np.int32)
    title, counts = np.zeros(2, np.int64), np.zeros(3, np.int64)
    notes, state = np.zeros(NOTES, np.int64), np.zeros(STATE, np.int64)

    elements[0, PARENT] = -1
    count_E, count_B, out, depth, block_depth = 1, 0, 0, 0, 0
    links = strong = pre = lists = 0
    skipping = math = -1  # depths of the element that is left out, of the formula
    math_out = 0
    math_done = False
    place = 0
    while place < size:
        if data[place] != LT:
            end = place
            while end < size and data[end] != LT:
                end += 1
            if skipping < 0 and not (math_done and math >= 0):
                out = read_text(data, place, end, text, out, blocks[count_B], state, block_stack[block_depth], lists, pre, links, strong)
            place = end
            continue
        if place + 1 < size and data[place + 1] == BANG:
            place = after_declaration(data, place)
            continue
        closing = place + 1 < size and data[place + 1] == SLASH
        start = place + 1 + closing
        place = start
        code = np.uint64(names.OFFSET)
        while place < size and data[place] != GT and data[place] > SPACE and data[place] != SLASH:
            byte = data[place]
            code = (code ^ np.uint64(byte + 32 if 65 <= byte <= 90 else byte)) * np.uint64(names.PRIME)
            place += 1

        if closing:
            while place < size and data[place] != GT:
                place += 1
            place += 1
            if depth == 0:
                continue
            role, element = roles[depth], stack[depth]
            if skipping == depth:
                skipping = -1
            if math == depth:
                if math_done or out > math_out:
                    text[out] = DOLLAR
                    out += 1
                math, math_done = -1, False
                state[GAP] = 0
            elif math >= 0 and role == names.ANNOTATION and skipping == -1:
                math_done = True
            if role == names.LINK:
                links -= 1
            elif role == names.CODE and pre == 0 and state[STARTED] > 0 and skipping == -1:
                text[out] = TICK
                out += 1
            elif role == names.PRE:
                pre -= 1
            elif role == names.LIST:
                lists -= 1
            strong -= elements[element, TAG] == BOLD_TAG or elements[element, TAG] == STRONG_TAG
            if not (INLINE_ROLES >> role) & 1:
                if state[STARTED] > 0:
                    blocks[count_B, END] = out
                    count_B += 1
                state[:] = 0
                if block_depth > 0 and block_stack[block_depth] == element:
                    block_depth -= 1
            elements[element, STOP] = count_B + (state[STARTED] > 0)
            depth -= 1
            continue

        tag = lookup(np.int64(code & np.uint64(names.MASK)), tag_keys, tag_values)
        role, tag = tag & 31, tag >> 5
        if tag == 0:
            role = names.BLOCK  # elements of somebody's own stand for blocks more often than not
        place, own = read_attributes(data, place, role == names.SCRIPT, word_keys, word_values, notes)
        place += 1
        around, first_letter = stack[depth], data[start]
        counts[PASSWORD] += notes[ASKS_PASSWORD]
        counts[ADS] += (own >> AD_BIT) & 1
        if role == names.BREAK:
            state[PENDING] += 1
            state[IN_WORD] = 0
            if state[PENDING] >= 2 and state[STARTED] > 0:
                blocks[count_B, END] = out
                count_B += 1
                state[STARTED] = 0
            continue
        if role == names.VOID:
            image = first_letter == 105 and data[start + 1] == 109
            elements[around, IMAGES] += image
            elements[around, INPUTS] += first_letter == 105 and not image
            state[IN_WORD] = 0
            if first_letter == 104 and state[STARTED] > 0:  # hr
                blocks[count_B, END] = out
                count_B += 1
                state[:] = 0
            continue
        if (RAW_ROLES >> role) & 1:
            # What is within is no markup: go to the end tag.
            inner = place
            while place < size and not (data[place] == LT and ends(data, place, start)):
                place += 1
            if role == names.TITLE and title[1] == 0:
                title[0], title[1] = inner, place
            counts[FRAMES] += first_letter == 105 and data[start + 1] == 102
            if notes[MATH_SCRIPT] and skipping == -1 and place > inner:
                out = put(text, out, DOLLAR, blocks[count_B], state, block_stack[block_depth], lists, pre, links, inner)
                text[out : out + place - inner] = data[inner:place]
                out += place - inner
                text[out] = DOLLAR
                out += 1
                blocks[count_B, CHARS] += place - inner
                blocks[count_B, WORDS] += 1
            while place < size and data[place] != GT:
                place += 1
            place += 1
            continue

        depth += 1
        number = count_E
        count_E += 1
        stack[depth], roles[depth] = number, role
        row = elements[number]
        row[TAG], row[PARENT], row[DEPTH] = tag, around, depth
        kinds[number, 0] = 0 if tag in (BODY_TAG, HTML_TAG) else own
        kinds[number, 1] = kinds[around, 1] | kinds[number, 0]
        kinds[number, 2] = kinds[around, 2] | (1 << tag if 0 < tag < 62 else 0)
        if (notes[SKIPS] or role == names.SKIP) and skipping == -1:
            skipping = depth
            state[IN_WORD] = 0
        if role == names.MATH and math == -1 and skipping == -1:
            out = put(text, out, DOLLAR, blocks[count_B], state, block_stack[block_depth], lists, pre, links, place)
            math, math_out = depth, out
            if notes[ALT_END] > notes[ALT_START]:
                out = read_text(data, notes[ALT_START], notes[ALT_END], text, out, blocks[count_B], state, 0, 0, 0, links, strong)
                math_done = True
        elif role == names.ANNOTATION and notes[ANNOTATES] and math >= 0 and not math_done:
            out = math_out
            state[GAP] = 0
        elif role == names.ANNOTATION and skipping == -1:
            skipping = depth
        elif role == names.LINK:
            links += 1
            blocks[count_B, LINKS] += state[STARTED] > 0
        elif role == names.CODE and pre == 0 and skipping == -1:
            out = put(text, out, TICK, blocks[count_B], state, block_stack[block_depth], lists, pre, links, place)
        strong += tag in (BOLD_TAG, STRONG_TAG)
        if not (INLINE_ROLES >> role) & 1:
            if state[STARTED] > 0:
                blocks[count_B, END] = out
                count_B += 1
            state[:] = 0
            block_depth += 1
            block_stack[block_depth] = number
            if role == names.PRE:
                pre += 1
                place += place < size and data[place] == NEWLINE
            elif role == names.LIST:
                lists += 1
            elif role == names.ITEM:
                elements[around, ITEMS] += 1
                row[ITEMS] = elements[around, ITEMS] if elements[around, TAG] == ORDERED_TAG else 0
        row[FIRST] = count_B
    if state[STARTED] > 0:
        blocks[count_B, END] = out
        count_B += 1
    while depth > 0:
        elements[stack[depth], STOP] = count_B
        depth -= 1
    elements[0, STOP] = count_B
    return elements[:count_E].copy(), kinds[:count_E].copy(), blocks[:count_B].copy(), text[:out].copy(), title, counts


@njit(inline="never")
def after_declaration(data: np.ndarray, place: int) -> int:
    """The place after a comment or a doctype that begins here."""
    size = len(data)
    if same(data, place, min(place + 4, size), b"<!--"):
        place += 4
        while place < size and not (data[place] == DASH and same(data, place, min(place + 3, size), b"-->")):
            place += 1
        return place + 3
    while place < size and data[place] != GT:
        place += 1
    return place + 1
