"""headwater/corpus/duplicates/repeats.py: the spans against a search by hand, on real and on made text."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates import repeats
from headwater.corpus.duplicates.config import Duplicates, Pieces, Substrings

Related = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]


def marked(related: Related, texts: list[str], **config: Any) -> list[tuple[int, str, str]]:
    """(place, marked text, kind)."""
    _, spans = related(texts, Duplicates(near=config.pop("near", None), **config))
    return [(row["place"], texts[row["place"]][row["start"] : row["end"]], row["kind"]) for row in spans]


def covered_by_hand(texts: list[str], length: int) -> list[set[int]]:
    """Characters that a window of `length` bytes covers which stands earlier: a dictionary of all windows."""
    first: dict[bytes, tuple[int, int]] = {}
    covered: list[set[int]] = []
    for place, text in enumerate(texts):
        raw = text.encode()
        mine: set[int] = set()
        starts = [len(text[:at].encode()) for at in range(len(text) + 1)]
        for at in range(len(text)):
            if starts[at] + length > len(raw):
                break
            window = raw[starts[at] : starts[at] + length]
            if first.setdefault(window, (place, at)) != (place, at):
                mine |= {sign for sign in range(at, len(text)) if starts[sign + 1] <= starts[at] + length}
        covered.append(mine)
    return covered


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["天地玄黄宇宙洪荒", "日月盈昃", "the quick brown fox ", "jumped", "x", "。"]), min_size=1, max_size=24),
    st.integers(1, 4),
)
def test_substrings_are_those_of_a_search_by_hand(related: Related, words: list[str], count: int) -> None:
    size = -(-len(words) // count)
    texts = ["".join(words[at : at + size]) for at in range(0, len(words), size)]
    config = Duplicates(exact=False, near=None, substrings=Substrings(length=32))
    _, spans = related(texts, config)
    covered: list[set[int]] = [set() for _ in texts]
    for row in spans:
        assert row["kind"] == "repeated_substring"
        covered[row["place"]] |= set(range(row["start"], row["end"]))
    assert covered == covered_by_hand(texts, 32)


def test_lines(related: Related) -> None:
    footer = "  All rights reserved, and many more words in this line.\n"
    texts = [f"First page.\n{footer}End.", f"第二页。\n{footer}{footer}完。", f"{footer.strip()}"]
    assert marked(related, texts, lines=Pieces(min_length=20)) == [
        (1, footer, "repeated_line"), (1, footer, "repeated_line"), (2, footer.strip(), "repeated_line")]  # fmt: skip
    assert marked(related, texts, lines=Pieces(min_length=20, more_than=4)) == []
    assert marked(related, texts, lines=Pieces(min_length=20, more_than=3)) != []
    assert marked(related, texts, lines=Pieces(min_length=60)) == []


def test_paragraphs(related: Related) -> None:
    paragraph = "人之初，性本善。\n性相近，习相远。\n"
    texts = [f"{paragraph}\n苟不教，性乃迁。", f"开头\n \n{paragraph}\n \n结尾", f"开头{paragraph}"]
    assert marked(related, texts, paragraphs=Pieces(min_length=20)) == [(1, f"{paragraph}\n \n", "repeated_paragraph")]


def test_near_duplicates_keep_their_lines(related: Related) -> None:
    """One of the two goes; were lines of the other cut because of it, the text would be nowhere."""
    draw = random.Random(0)
    lines = [" ".join(f"w{draw.randrange(1 << 30)}" for _ in range(8)) for _ in range(40)]
    texts = ["\n".join(lines), "\n".join([*lines, "And an end."]), f"Another text.\n{lines[3]}\n"]
    for kind in ("lines", "paragraphs"):
        found = marked(related, texts, near=Duplicates().near, **{kind: Pieces()})
        assert {place for place, _, _ in found} <= {2}
    assert marked(related, texts, near=Duplicates().near, lines=Pieces()) == [(2, f"{lines[3]}\n", "repeated_line")]
    assert marked(related, texts, near=Duplicates().near, substrings=Substrings(length=64)) == [
        (2, f"\n{lines[3]}\n", "repeated_substring")]  # fmt: skip


def test_runs_and_ranges_change_nothing(related: Related, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"Head {number % 5}: some forty characters of a text to repeat.\nTail {number % 7}: others, of the same length, or so.\n" * 2
             for number in range(30)]  # fmt: skip
    config = {"lines": Pieces(min_length=10), "substrings": Substrings(length=40)}
    expected = marked(related, texts, **config)
    monkeypatch.setattr(repeats, "RUN", 10)
    monkeypatch.setattr(repeats, "RANGE", 16)
    assert marked(related, texts, **config) == expected
    assert len(expected) > 60
