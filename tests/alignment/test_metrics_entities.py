"""Names in tags: examples of conlleval's rules and of seqeval's documentation, and a slow reading of whole-chunk tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.alignment.metrics_entities import entities, marks_entities, of_entities


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("B-PER I-PER O B-LOC", {("PER", 0, 2), ("LOC", 3, 4)}),
        ("B-PER B-PER", {("PER", 0, 1), ("PER", 1, 2)}),
        ("I-PER I-PER O I-LOC", {("PER", 0, 2), ("LOC", 3, 4)}),  # an I that continues nothing begins
        ("B-PER I-LOC I-LOC", {("PER", 0, 1), ("LOC", 1, 3)}),
        ("B-A I-A E-A S-B I-B", {("A", 0, 3), ("B", 3, 4), ("B", 4, 5)}),
        ("B-A E-A E-A", {("A", 0, 2), ("A", 2, 3)}),
        ("O O", set()),
        ("B-X-Y I-X-Y", {("X-Y", 0, 2)}),
    ],
)
def test_names(tags: str, names: set[tuple[str, int, int]]) -> None:
    assert entities(tags.split()) == names


@given(st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 3)), max_size=8))
def test_names_that_were_written_are_read(chunks: list[tuple[str, int]]) -> None:
    tags: list[str] = []
    names = set()
    for type, length in chunks:
        if type:
            names.add((type, len(tags), len(tags) + length))
            tags += [f"B-{type}", *[f"I-{type}"] * (length - 1)]
        else:
            tags += ["O"] * length
    assert entities(tags) == names


def test_figures_of_seqeval_s_own_example() -> None:
    """seqeval's README: F1 0.50, MISC 0.00 and PER 1.00."""
    true = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    said = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    found = of_entities(true, said)
    assert found["entity_f1"] == found["entity_precision"] == found["entity_recall"] == 0.5
    assert found["by_type"] == {"MISC": {"f1": 0.0, "count": 1}, "PER": {"f1": 1.0, "count": 1}}


def test_nothing_found_is_zero_and_no_error() -> None:
    assert of_entities([["B-A"]], [["O"]])["entity_f1"] == 0.0
    assert of_entities([["O"]], [["O"]])["entity_f1"] == 0.0


def test_parts_of_speech_mark_no_names() -> None:
    assert marks_entities(["O", "B-X", "I-X"])
    assert not marks_entities(["NOUN", "VERB"])
    assert not marks_entities(["O", "NOUN"])
