"""headwater/corpus/extract/attributes.py: what start tags say."""

from __future__ import annotations

import numpy as np
import pytest

from headwater.corpus.extract.attributes import (
    ALT_END,
    ALT_START,
    ANNOTATES,
    ASKS_PASSWORD,
    MATH_SCRIPT,
    NOTES,
    SKIPS,
    ends,
    read_attributes,
    same,
    within,
)
from headwater.corpus.extract.blocks import HIDDEN
from headwater.corpus.extract.names import KIND_BIT, word_table


def read(tag: str, script: bool = False) -> tuple[int, list[int]]:
    data = np.frombuffer(tag.encode(), np.uint8)
    notes = np.ones(NOTES, np.int64)
    place, kinds = read_attributes(data, tag.index(" "), script, *word_table(), notes)
    assert place == len(tag) - 1
    return int(kinds), notes.tolist()


def test_kinds_and_hiding() -> None:
    assert read('<div class="x" id="nav" role="x">')[0] == 1 << KIND_BIT["nav"]
    assert read('<div data-class="nav" title="nav">')[0] == 0
    assert read('<div style="color:red;DISPLAY:none">')[0] == HIDDEN
    assert read('<div hidden="">')[0] == HIDDEN
    assert read('<div title="a > b" class="footer">')[0] == 1 << KIND_BIT["footer"]


@pytest.mark.parametrize(
    ("tag", "note"),
    [('<input type="password">', ASKS_PASSWORD), ('<annotation encoding="application/x-tex">', ANNOTATES), ('<p data-skipped="1">', SKIPS)],
)
def test_notes(tag: str, note: int) -> None:
    notes = read(tag)[1]
    assert [index for index, value in enumerate(notes) if value] == [note]


def test_formulas() -> None:
    assert read('<script type="math/tex; mode=display">', script=True)[1][MATH_SCRIPT] == 1
    assert read('<p type="math/tex">')[1][MATH_SCRIPT] == 0
    notes = read('<math alttext="x^2">')[1]
    assert '<math alttext="x^2">'[notes[ALT_START] : notes[ALT_END]] == "x^2"


def test_comparisons() -> None:
    data = np.frombuffer(b"<a></script ></scripts></SCRIPT>script>", np.uint8)
    assert same(data, 0, 3, b"<a>")
    assert not same(data, 0, 2, b"<a>")
    assert within(data, 0, len(data), b"scripts")
    assert not within(data, 0, 8, b"scripts")
    name = 32
    assert [place for place in range(len(data)) if data[place] == 60 and ends(data, place, name)] == [23]
