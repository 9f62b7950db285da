"""headwater/corpus/normalise/gate.py: against Python's own idea of the same questions."""

from __future__ import annotations

import re
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.document import Document, batch_of, buffers_of
from headwater.corpus.normalise import gate
from headwater.corpus.normalise.normal import MOJIBAKE


def shown(*texts: str) -> list[int]:
    flags: list[int] = gate.inspect(*buffers_of(batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)]))).tolist()
    return flags


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("plain text, with tabs\tand\nlines", 0),
        ("话说天下大势，分久必合。", gate.HAN | gate.WIDE),
        ("Все счастливые семьи", 0),
        ("Ελληνικά", 0),
        ("x\ry", gate.NEWLINE),
        ("x\u2028y", gate.NEWLINE),
        ("\x1b[0m", gate.INVISIBLE),
        ("so\u00adft", gate.INVISIBLE),
        ("e\u0301", gate.COMPOSE),
        ("x ", gate.SPACE),
        ("x\u3000\ny", gate.SPACE | gate.WIDE),
        ("\nx", gate.SPACE),
        ("x\n\n\n\ny", gate.SPACE),
        ("x\n\n\ny", 0),
        ("cafÃ©", gate.MOJIBAKE),
        ("“x”", gate.PUNCTUATION),
        ("pаypal", gate.MIXED),
        ("яéя", gate.MIXED),
        ("я é я", 0),
        ("👍", gate.EMOJI),
        ("", 0),
    ],
)
def test_what_a_text_shows(text: str, bits: int) -> None:
    assert shown("before ", text, " after")[1] == bits


@given(st.lists(st.text(max_size=40), max_size=5))
@settings(deadline=None)  # the first call may compile
def test_suspicions_never_miss(texts: list[str]) -> None:
    for text, flags in zip(texts, shown(*texts), strict=True):
        if not unicodedata.is_normalized("NFC", text):
            assert flags & gate.COMPOSE
        assert bool(flags & gate.MOJIBAKE) == bool(MOJIBAKE.search(text))
        white = bool(re.search(r"[^\S\n\r\v\f\x1c-\x1f\x85\u2028\u2029]+(\n|\Z)|\u00a0|\A\n|\n\Z|\n{4}", text))
        assert bool(flags & gate.SPACE) == white


def test_every_composition_of_two_characters_is_suspected() -> None:
    """Unicode's pairs, told by normalising every decomposition."""
    for point in range(sys.maxunicode + 1):
        apart = unicodedata.normalize("NFD", chr(point))
        if len(apart) > 1 and unicodedata.normalize("NFC", apart) == chr(point):
            assert any(gate.table()[ord(part)] & gate.COMPOSE for part in apart[1:]), hex(point)
    assert not gate.table()[np.arange(0x4E00, 0xA000)].astype(int).__and__(gate.FORM | gate.MOJIBAKE).any()
