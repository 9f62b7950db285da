"""Noised texts: source and target together give the text back; rates as in the papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.random import stream
from headwater.objectives.denoise import Rewriting
from headwater.objectives.rows import Row, make
from tests.objectives.conftest import DECODER, END, FIRST, PAIR, SPECIALS, batch_of, built, model, streams, unique_texts

SENTINELS = set(SPECIALS.sentinels.tolist())


def source_and_target(row: Row) -> tuple[list[int], list[int]]:
    """What is read and what is written, of either kind of row."""
    if row.source is not None:
        assert row.tokens.tolist() == [SPECIALS.start, *row.targets[:-1]]
        return row.source.tolist(), row.targets.tolist()
    assert row.prefix is not None and row.weights is not None
    given = int(row.prefix.sum())
    assert row.weights.tolist() == [0.0] * (given - 1) + [1.0] * (len(row.tokens) - given + 1)
    assert row.tokens[1:].tolist() == row.targets[:-1].tolist()
    return row.tokens[:given].tolist(), row.targets[given - 1 :].tolist()


def restored(source: list[int], target: list[int]) -> list[int]:
    """The text: each sentinel of the source is replaced by what follows it in the target."""
    assert source[-1] == target[-1] == END
    written: dict[int, list[int]] = {}
    for token in target[:-1]:
        if token in SENTINELS:
            last = written.setdefault(token, [])
        else:
            last.append(token)
    assert list(written) == SPECIALS.sentinels[: len(written)].tolist(), "sentinels are used in their order"
    assert [token for token in source if token in SENTINELS] == list(written)
    return [each for token in source[:-1] for each in written.get(token, [token])]


@pytest.mark.parametrize("kind", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
@pytest.mark.parametrize("fields", [{}, {"density": 0.5, "mean": 8}, {"density": 0.3, "mean": 1}], ids=str)
def test_span_corruption_gives_the_text_back(kind: dict[str, Any], fields: dict[str, Any]) -> None:
    objective = built(model(128, **kind), kind="span", **fields)
    for (text,), rng in zip(unique_texts(objective, 20, ends=[11]), streams(range(20)), strict=True):
        source, target = source_and_target(objective.row([text], rng))
        assert restored(source, target) == text[: objective.raw].tolist()


def test_t5_at_512_has_no_padding_at_all() -> None:
    batch = batch_of(built(model(512, **PAIR), kind="span"), rows=3)
    assert batch.source is not None
    assert batch.source.tokens_BT.shape == (3, 512) and batch.targets_BT.shape == (3, 114)
    assert (batch.weights_BT == 1).all() and batch.source.segments_BT is None


@pytest.mark.parametrize("kind", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_ul2s_seven_denoisers(kind: dict[str, Any]) -> None:
    objective = built(model(256, **kind), kind="ul2")
    modes = {SPECIALS[name]: name for name in ("r", "s", "x")}
    counts = {"r": 0, "s": 0, "x": 0}
    densities: dict[str, set[float]] = {"r": set(), "s": set(), "x": set()}
    lengths: dict[str, list[float]] = {"r": [], "s": [], "x": []}
    for number in range(700):
        (text,) = unique_texts(objective, 1)[0]
        source, target = source_and_target(objective.row([text], stream(9, "row", number)))
        mode = modes[source[0]]
        whole = restored(source[1:], target)
        assert whole == text[: len(whole)].tolist()
        spans = sum(token in SENTINELS for token in target)
        noise = len(target) - 1 - spans
        counts[mode] += 1
        densities[mode].add(round(noise / len(whole), 1))
        lengths[mode].append(noise / spans)
        if mode == "s":
            assert spans == 1 and source[-2] in SENTINELS, "one span, at the end"
    for mode, share in (("r", 2 / 7), ("s", 1 / 7), ("x", 4 / 7)):
        assert abs(counts[mode] - 700 * share) < 5 * (700 * share * (1 - share)) ** 0.5
    assert densities["r"] <= {0.1, 0.2} and densities["x"] <= {0.1, 0.2, 0.5} and 0.5 in densities["x"]
    assert {round(length) for length in lengths["r"]} <= {3, 7, 8, 9}
    assert {3, 8} < {round(length) for length in lengths["x"]} and max(lengths["x"]) > 30


def test_ul2_weights_and_modes_can_be_left_out() -> None:
    only = [{"mode": "r", "mean": 3, "density": 0.15, "weight": 2}, {"mode": "x", "mean": 8, "density": 0.5, "weight": 0}]
    objective = built(model(128), kind="ul2", denoisers=only, mode_tokens=False)
    span = built(model(128), kind="span")
    text, rng = unique_texts(span, 1)[0], streams([3])
    assert objective.raw == span.raw
    assert np.array_equal(objective.row(text, rng[0]).tokens, span.row(text, streams([3])[0]).tokens)


@pytest.mark.parametrize("kind", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_barts_infilling(kind: dict[str, Any]) -> None:
    objective = built(model(256, **kind), kind="denoise", sentences=False)
    hidden, masks = [], []
    for (text,), rng in zip(unique_texts(objective, 200), streams(range(200)), strict=True):
        source, target = source_and_target(objective.row([text], rng))
        raw = text[: objective.raw].tolist()
        assert target == [*raw, END], "all of the text is written"
        kept = [token for token in source[:-1] if token != SPECIALS["mask"]]
        assert kept == [token for token in raw if token in set(kept)], "what stays stays in order"
        gaps = "".join("m" if token == SPECIALS["mask"] else "k" for token in source)
        assert "mm" not in gaps
        hidden.append(1 - len(kept) / len(raw))
        masks.append(gaps.count("m"))
    assert set(np.round(hidden, 4)) == {round(round(0.3 * objective.raw) / objective.raw, 4)}
    assert np.mean(masks) == pytest.approx(0.3 * objective.raw / 3, rel=0.08), "spans of 3 tokens in the mean"


def test_sentences_are_permuted_whole() -> None:
    objective = built(model(256), kind="denoise", infill=0)
    assert isinstance(objective, Rewriting) and SPECIALS.words is not None
    ends = SPECIALS.words.ends_sentence_V
    moved = 0
    for (text,), rng in zip(unique_texts(objective, 20), streams(range(20)), strict=True):
        source, target = source_and_target(objective.row([text], rng))
        raw = text[: objective.raw]

        def sentences(ids: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
            cuts = np.flatnonzero(ends[ids]) + 1
            return [tuple(piece.tolist()) for piece in np.split(ids, cuts) if len(piece)]

        before = sentences(raw)
        last = before[-1]
        # The last sentence has no end of its own, so it runs into what now follows it.
        joined = tuple(source[:-1])
        assert sorted(joined) == sorted(raw.tolist()) and target == [*raw.tolist(), END]
        for sentence in before:
            place = joined.index(sentence[0])
            assert joined[place : place + len(sentence)] == sentence
        moved += joined != tuple(raw.tolist())
        assert last
    assert moved == 20


def test_single_tokens_deleted_and_masked() -> None:
    objective = built(model(512, **PAIR), kind="denoise", infill=0, sentences=False, delete=0.2, mask=0.25)
    batch = batch_of(objective, rows=50)
    assert batch.source is not None and batch.source.segments_BT is not None
    real = batch.source.segments_BT > 0
    left = (int(real.sum()) - 50) / (50 * objective.raw)
    assert left == pytest.approx(0.8, abs=0.02)
    masked = int((batch.source.tokens_BT == SPECIALS["mask"]).sum()) / (int(real.sum()) - 50)
    assert masked == pytest.approx(0.25, abs=0.02)


def test_a_decoders_padding_stands_to_the_right_and_is_told_from_text() -> None:
    objective = built(model(256), kind="denoise")
    batch = make(objective, unique_texts(objective, 4), streams(range(4)))
    segments = batch.inputs.segments_BT
    assert segments is not None
    for row in range(4):
        length = int(segments[row].sum())
        assert segments[row].tolist() == [1] * length + [0] * (256 - length)
        assert torch.equal(batch.inputs.tokens_BT[row] >= 0, torch.ones(256, dtype=torch.bool))
        assert (batch.inputs.tokens_BT[row, length:] == SPECIALS["pad"]).all() and (batch.weights_BT[row, length:] == 0).all()
    assert SPECIALS["pad"] < FIRST
