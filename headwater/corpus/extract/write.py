"""How do the kept blocks of a page read as Markdown? In: a scanned page and which blocks to keep. Out: text.

Headings get `#`, items `-` or their number, indented by the depth of their list; rows of a table stand between `|`, with a line under
the first; preformatted text is fenced; quotations get `>`; mathematics stands between `$` (the scanner put it there). A table that
only lays out the page (long cells, or one column) is written as paragraphs.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import numpy as np

from headwater.corpus.extract import names
from headwater.corpus.extract.blocks import CHARS, ELEMENT, END, ITEMS, PARENT, START, TAG
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.scan import Scanned

HEADING = {names.TAGS[f"h{level}"][0]: level for level in range(1, 7)}
ITEM, QUOTE, TABLE, ROW = (names.TAGS[tag][0] for tag in ("li", "blockquote", "table", "tr"))
CELLS = {names.TAGS[tag][0] for tag in ("td", "th")}
PRES = {names.TAGS[tag][0] for tag in ("pre", "listing", "xmp")}
LISTS = {names.TAGS[tag][0] for tag in ("ul", "ol", "menu")}
STRUCTURED = sum(1 << number for number in (ITEM, QUOTE, *CELLS, *PRES, *HEADING) if number < 62)
LONG_CELL = 300
"""Characters: a cell with more is a part of the page, not of a table."""


class Place(NamedTuple):
    """What is around a block: numbers of elements, 0 where it is in none (the document itself is element 0)."""

    heading: int = 0
    """Level, 1 to 6."""
    item: int = 0
    number: int = 0
    lists: int = 0
    cell: int = 0
    row: int = 0
    table: int = 0
    pre: int = 0
    quotes: int = 0


Piece = tuple[str, Place]
"""A kept block's text and its place."""


def markdown(page: Scanned, keep: np.ndarray, config: Extract) -> str:
    """The kept blocks as one text; `keep`: bool [B]."""
    pieces = _pieces(page, keep)
    tables = _tables(pieces)
    out: list[str] = []
    items_begun: set[int] = set()
    index = 0
    item_before = False
    while index < len(pieces):
        text, place = pieces[index]
        end = index + 1
        item = bool(place.item) and config.lists
        if place.pre:
            while end < len(pieces) and pieces[end][1].pre == place.pre:
                end += 1
            text = _code([text for text, _ in pieces[index:end]]) if config.code else ""
            item = False
        elif place.table in tables:
            while end < len(pieces) and pieces[end][1].table == place.table:
                end += 1
            text = _table(pieces[index:end]) if config.tables else ""
        elif place.heading:
            text = "#" * place.heading + " " + text.replace("\n", " ")
        elif item:
            indent = "  " * max(0, place.lists - 1)
            mark = f"{place.number}. " if place.number else "- "
            begins = place.item not in items_begun
            items_begun.add(place.item)
            text = indent + (mark if begins else " " * len(mark)) + text.replace("\n", "\n" + indent + " " * len(mark))
        if place.quotes and text:
            text = "> " + text.replace("\n", "\n> ")
        if text:
            if out:
                out.append("\n" if item_before and item else "\n\n")
            out.append(text)
            item_before = item
        index = end
    return unicodedata.normalize("NFC", "".join(out))


def _code(parts: list[str]) -> str:
    text = "\n".join(parts).strip("\n")
    ticks = fence(text)
    return f"{ticks}\n{text}\n{ticks}" if text.strip() else ""


def fence(text: str) -> str:
    """Backticks, more than the text has in a row."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return ticks


def _pieces(page: Scanned, keep: np.ndarray) -> list[Piece]:
    data = page.text.tobytes()
    blocks = page.blocks[keep]
    structured = (page.kinds[blocks[:, ELEMENT], 2] & STRUCTURED) != 0
    places = {0: Place()}
    pieces = []
    for (element, start, end, chars), within in zip(blocks[:, [ELEMENT, START, END, CHARS]].tolist(), structured.tolist(), strict=True):
        if chars == 0:
            continue
        text = data[start:end].decode("utf-8", "replace")
        if text.count("`") == 1:
            text = text.replace("`", "")  # the border of a block ran through a piece of code
        text = text.removesuffix("¶")  # what Sphinx lets the mouse find at a heading
        if not text:
            continue
        pieces.append((text, _place(page.elements, element, places) if within else places[0]))
    return pieces


def _place(elements: np.ndarray, element: int, places: dict[int, Place]) -> Place:
    """What is around an element; `places` remembers it of those that were asked for."""
    chain = []
    while element not in places:
        chain.append(element)
        element = int(elements[element, PARENT])
    place = places[element]
    for element in reversed(chain):
        tag = int(elements[element, TAG])
        if tag in HEADING:
            place = place._replace(heading=HEADING[tag])
        elif tag == ITEM:
            place = place._replace(item=element, number=int(elements[element, ITEMS]))
        elif tag in LISTS:
            place = place._replace(lists=place.lists + 1)
        elif tag in CELLS:
            place = place._replace(cell=element)
        elif tag == ROW:
            place = place._replace(row=element, cell=0)
        elif tag == TABLE:
            place = place._replace(table=element, row=0, cell=0, item=0)
        elif tag in PRES:
            place = place._replace(pre=element)
        elif tag == QUOTE:
            place = place._replace(quotes=place.quotes + 1)
        places[element] = place
    return place


def _tables(pieces: list[Piece]) -> set[int]:
    """The tables that hold data: two columns or more, no long cell, no list or code within."""
    columns: dict[int, dict[int, set[int]]] = {}
    layout: set[int] = set()
    for text, place in pieces:
        if place.table and place.cell:
            columns.setdefault(place.table, {}).setdefault(place.row, set()).add(place.cell)
            if len(text) > LONG_CELL or place.pre or place.item:
                layout.add(place.table)
    return {table for table, rows in columns.items() if table not in layout and max(len(row) for row in rows.values()) > 1}


def _table(pieces: list[Piece]) -> str:
    rows: dict[int, dict[int, list[str]]] = {}
    caption = []
    for text, place in pieces:
        if place.cell:
            rows.setdefault(place.row, {}).setdefault(place.cell, []).append(text.replace("\n", " ").replace("|", "\\|"))
        else:
            caption.append(text)
    lines = ["| " + " | ".join(" ".join(cell) for cell in row.values()) + " |" for row in rows.values()]
    if len(lines) > 1:
        lines.insert(1, "|" + " --- |" * len(next(iter(rows.values()))))
    return "\n\n".join([*caption, "\n".join(lines)])
