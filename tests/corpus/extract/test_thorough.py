"""headwater/corpus/extract/thorough.py: the quality tier, where trafilatura is installed; a sentence where it is not."""

from __future__ import annotations

import sys

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.page import extractor, page_text

PAGE = (
    "<nav><a href=1>Menu</a></nav><article><h1>The mill</h1>"
    + "<p>The mill by the river grinds again since May, for the first time in sixty years.</p>" * 5
    + "</article>"
)


@pytest.mark.oracle
def test_the_quality_tier_reads_a_page() -> None:
    _, text = page_text(PAGE, Extract(tier="quality"))
    assert "grinds again since May" in text
    assert "Menu" not in text


def test_without_it_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(HeadwaterError, match="the quality tier needs trafilatura"):
        extractor(Extract(tier="quality"))
