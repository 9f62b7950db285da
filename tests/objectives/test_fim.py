"""Fill in the middle: rows as long as before, each document whole in its new order, rates as asked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headwater.core.random import stream
from headwater.objectives.fim import FIM
from headwater.objectives.rows import Ids
from tests.objectives.conftest import END, FIRST, SPECIALS, built, model, streams, unique_texts

PREFIX, MIDDLE, SUFFIX = (SPECIALS[name] for name in ("prefix", "middle", "suffix"))


def in_order(written: list[int]) -> list[int]:
    """The document, from either form or from none."""
    if written[0] != PREFIX:
        return written
    if written[1] == SUFFIX:
        suffix, middle = written[2:].copy(), written.index(MIDDLE)
        after, rest = suffix[: middle - 2], written[middle + 1 :]
        return [*rest[:-1], *after, *rest[-1:]]
    suffix_at, middle_at = written.index(SUFFIX), written.index(MIDDLE)
    before, after, between = written[1:suffix_at], written[suffix_at + 1 : middle_at], written[middle_at + 1 :]
    return [*before, *between[:-1], *after, *between[-1:]]


def documents(ids: Ids) -> list[list[int]]:
    return [piece.tolist() for piece in np.split(ids, np.flatnonzero(ids[:-1] == END) + 1)]


def test_the_forms_of_the_paper() -> None:
    objective = built(model(64), kind="fim")
    assert isinstance(objective, FIM)
    text = np.arange(FIRST, FIRST + 6)
    forms = set()
    for number in range(200):
        written = objective.rearranged(text, stream(0, "form", number)).tolist()
        assert written[-1] == END and in_order(written) == [*text.tolist(), END]
        forms.add(tuple(token for token in written if token < FIRST))
    assert forms == {(PREFIX, SUFFIX, MIDDLE, END)}, "both forms have the marks in this order"


def test_every_document_comes_back_but_what_the_marks_took_from_the_last() -> None:
    objective = built(model(96), kind="fim", rate=1.0)
    for (text,), rng in zip(unique_texts(objective, 100, ends=[20, 50, 51, 70]), streams(range(100)), strict=True):
        row = objective.row([text], rng)
        written = np.array([row.tokens[0], *row.targets])
        assert len(written) == 97 and row.weights is None, "as long as before, and all of it learned"
        back = [in_order(document) for document in documents(written)]
        whole = documents(text)
        assert back[:-1] == whole[: len(back) - 1]
        assert [token for token in back[-1] if token != END] == whole[len(back) - 1][: len([t for t in back[-1] if t != END])]


@pytest.mark.parametrize(("rate", "spm"), [(0.5, 0.5), (0.9, 0.0), (0.0, 0.5), (0.25, 1.0)])
def test_rates(rate: float, spm: float) -> None:
    objective = built(model(200), kind="fim", rate=rate, spm=spm)
    changed, both_kinds, count = 0, 0, 0
    for (text,), rng in zip(unique_texts(objective, 200, ends=range(20, 200, 20)), streams(range(200)), strict=True):
        row = objective.row([text], rng)
        for document in documents(np.array([row.tokens[0], *row.targets]))[:-1]:
            count += 1
            changed += document[0] == PREFIX
            both_kinds += document[0] == PREFIX and document[1] == SUFFIX
    assert abs(changed - rate * count) <= 5 * math.sqrt(count * rate * (1 - rate))
    empty = 1 / 20  # a PSM document with an empty prefix looks like SPM
    assert both_kinds / max(1, changed) == pytest.approx(spm if changed else 0, abs=0.05 + 1.5 * empty)


def test_documents_apart_as_causal_ones() -> None:
    objective = built(model(64), kind="fim", across_documents=False)
    row = objective.row(unique_texts(objective, 1, ends=[10, 30])[0], streams([0])[0])
    assert row.segments is not None and row.positions is not None
    assert np.array_equal(row.segments, (row.tokens == END).cumsum() + 1)
    assert row.positions[row.tokens == END].tolist() == [0] * int((row.tokens == END).sum())
