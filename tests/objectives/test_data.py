"""Batches as a function of the step, whatever the batch size; held-out rows that are always the same; the entropy of targets."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.objectives.build import build
from headwater.objectives.data import TextData, held_out, unigram_entropy, unigram_loss
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.reading import Windows
from headwater.tokens.shards import INDEX, Shards
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.ramp import Ramp, Sizes, Stages, first_row, size_at
from tests.objectives.conftest import ENCODER, config, model

NEXT = {"kind": "encoder", "head": {"kind": "mlm", "next_sentence": True}, "embedding": {"types": 2}}
MIXED = {"kind": "mixture", "of": [{"objective": {"kind": "causal"}}, {"objective": {"kind": "prefix"}}], "draw": "batch"}


def shards(tokens: int, tokenizer: Tokenizer, length: int = 50) -> Shards:
    """Documents of `length` tokens each, in which every token tells its place."""
    ids = 60 + np.arange(tokens, dtype=np.uint16) % 200
    ids[length - 1 :: length] = tokenizer.special("end")
    starts = list(range(0, tokens, length))
    rows = {"id": [f"d{n}" for n in range(len(starts))], "start": starts, "length": [length] * len(starts)}
    table = pa.table({name: rows.get(name, [None] * len(starts)) for name in INDEX.names}, schema=INDEX)
    return Shards(ids, table, np.array(starts), tokenizer.vocab_size)


def data(tokenizer: Tokenizer, rows: Any, asked: dict[str, Any], pieces: Any = None, **architecture: Any) -> TextData:
    objective = build(config(**asked), model(24, **architecture), tokenizer)
    return TextData(objective, shards(2000, tokenizer), rows, seed=3, pieces=pieces)


@pytest.mark.parametrize(
    ("asked", "architecture"), [({"kind": "causal"}, {}), ({"kind": "ul2"}, {}), ({"kind": "masked", "next_sentence": True}, NEXT)]
)
def test_rows_are_the_same_whatever_the_batch_size(asked: dict[str, Any], architecture: dict[str, Any], byte_tokenizer: Tokenizer) -> None:
    by_four = data(byte_tokenizer, lambda step: (4 * step, 4), asked, **architecture)
    by_six = data(byte_tokenizer, lambda step: (6 * step, 6), asked, **architecture)
    four = torch.cat([by_four.batch(step).inputs.tokens_BT for step in range(30)])
    six = torch.cat([by_six.batch(step).inputs.tokens_BT for step in range(20)])
    assert torch.equal(four, six), "120 rows, more than an epoch"
    assert by_four.rows_per_epoch < 120
    assert torch.equal(
        by_four.batch(7).targets_BT, data(byte_tokenizer, lambda step: (4 * step, 4), asked, **architecture).batch(7).targets_BT
    )


def test_rows_follow_a_ramp(byte_tokenizer: Tokenizer) -> None:
    ramp = Ramp(start=2, end=6, over=4)
    grown = data(byte_tokenizer, lambda step: (first_row(ramp, step), size_at(ramp, step)), {"kind": "prefix"})
    even = data(byte_tokenizer, lambda step: (step, 1), {"kind": "prefix"})
    sizes = [len(grown.batch(step)) for step in range(6)]
    assert sizes == [2, 3, 4, 5, 6, 6]
    rows = torch.cat([grown.batch(step).targets_BT for step in range(6)])
    assert torch.equal(rows, torch.cat([even.batch(step).targets_BT for step in range(sum(sizes))]))


CUT = [{"kind": "causal"}, {"kind": "causal", "across_documents": False}, {"kind": "fim", "rate": 0.0}]


@pytest.mark.parametrize("asked", CUT)
@pytest.mark.parametrize("length", [8, 9, Ramp(start=4, end=24, over=30, multiple=2), Stages(sizes=(5, 24, 11), at=(7, 20))])
def test_short_rows_read_every_token_once_an_epoch(byte_tokenizer: Tokenizer, asked: dict[str, Any], length: Any) -> None:
    """In the very order of whole rows, with the token that follows each as its target, and nothing learned of what only pads."""
    whole = data(byte_tokenizer, lambda step: (step, 1), asked)
    sizes = Sizes(3, 24, length)
    short = data(byte_tokenizer, sizes.rows, asked, pieces=sizes.portion)
    epoch = whole.rows_per_epoch
    expected = torch.cat([whole.batch(step).targets_BT.flatten() for step in range(2 * epoch)])
    read, step = [], 0
    while sizes.tokens_before(step) < 24 * 2 * epoch:
        batch = short.batch(step)
        assert batch.inputs.tokens_BT.shape == (3, sizes.portion(step).length)
        kept = batch.targets_BT.flatten()[batch.weights_BT.flatten() > 0]
        assert sizes.tokens_before(step + 1) - sizes.tokens_before(step) == len(kept)
        read.append(kept)
        step += 1
    assert torch.equal(torch.cat(read)[: len(expected)], expected)
    late = data(byte_tokenizer, Sizes(3, 24, length).rows, asked, pieces=Sizes(3, 24, length).portion)
    assert torch.equal(late.batch(step - 1).targets_BT, short.batch(step - 1).targets_BT), "without the steps before it"


def test_documents_of_short_rows_are_theirs_alone(byte_tokenizer: Tokenizer) -> None:
    sizes = Sizes(2, 24, 6)
    short = data(byte_tokenizer, sizes.rows, {"kind": "causal"}, pieces=sizes.portion)
    for step in range(40):
        window, place = divmod(sizes.portion(step).first, 24)
        assert isinstance(short.windows, Windows)
        start = short.windows.start(window) + place
        assert short.documents(step) == [f"d{n}" for n in range(start // 50, (start + 12) // 50 + 1)]


def test_batches_that_change_read_on_behind_what_was_read(byte_tokenizer: Tokenizer) -> None:
    """Four rows a step, six from step 5 on, then rows of half the length: no row is left out, none is read twice."""
    sizes = Sizes(4, 24)
    changing = data(byte_tokenizer, sizes.rows, {"kind": "causal"}, pieces=sizes.portion)
    even = data(byte_tokenizer, lambda step: (step, 1), {"kind": "causal"})
    before = [changing.batch(step).targets_BT for step in range(7)]
    sizes.change(5, 6)
    sizes.change(9, 2, 12)
    rows = [changing.batch(step).targets_BT for step in range(13)]
    assert [tuple(row.shape) for row in rows] == [(4, 24)] * 5 + [(6, 24)] * 4 + [(2, 12)] * 4
    assert all(torch.equal(one, other) for one, other in zip(before[:5], rows[:5], strict=True))
    read = torch.cat([row.flatten() for row in rows])
    assert torch.equal(read, torch.cat([even.batch(step).targets_BT.flatten() for step in range(48)]))


def test_documents_are_those_of_the_tokens_that_are_read(byte_tokenizer: Tokenizer) -> None:
    paired = data(byte_tokenizer, lambda step: (3 * step, 3), {"kind": "masked", "next_sentence": True}, **NEXT)
    for step in range(5):
        found = paired.documents(step)
        assert len(found) == len(set(found)) and set(found) <= {f"d{n}" for n in range(40)}
        assert len(found) >= 2, "two windows of 22 tokens from different places"
    plain = data(byte_tokenizer, lambda step: (step, 1), {"kind": "causal"})
    assert isinstance(plain.windows, Windows)
    start = plain.windows.start(5)
    assert plain.documents(5) == [f"d{n}" for n in range(start // 50, (start + 24) // 50 + 1)]


def test_documents_by_row_and_what_is_known_of_them(byte_tokenizer: Tokenizer) -> None:
    """Row by row they are the batch's; of each the source and how it begins, without the token that ends it."""
    plain = data(byte_tokenizer, lambda step: (3 * step, 3), {"kind": "causal"})
    rows = plain.row_documents(4)
    assert rows == [data(byte_tokenizer, lambda step: (step, 1), {"kind": "causal"}).documents(row) for row in (12, 13, 14)]
    assert plain.documents(4) == list(dict.fromkeys(id for row in rows for id in row))
    source = plain.shards.documents.column("source")[7].as_py()
    assert plain.about(["d7", "no such"]) == {"d7": {"source": source}}
    told = TextData(plain.objective, plain.shards, plain.rows, seed=3, decode=lambda ids: f"{len(ids)} from {ids[0]}")
    assert told.about(["d7"]) == {"d7": {"source": source, "text": f"49 from {plain.shards.tokens[350]}"}}


def test_the_piece_from_elsewhere_is_another_window(byte_tokenizer: Tokenizer) -> None:
    paired = data(byte_tokenizer, lambda step: (step, 1), {"kind": "masked", "next_sentence": True}, **NEXT)
    others = set()
    for row in range(200):
        own, other = paired._read_for(row)
        assert own == row and other != row and own // paired.rows_per_epoch == other // paired.rows_per_epoch
        others.add(other)
    assert len(others) > 100


def test_a_mixture_by_batch(byte_tokenizer: Tokenizer) -> None:
    mixed = data(byte_tokenizer, lambda step: (2 * step, 2), MIXED)
    kinds = [mixed.batch(step).inputs.prefix_BT is None for step in range(30)]
    assert 5 < sum(kinds) < 25
    assert [mixed.batch(step).inputs.prefix_BT is None for step in range(30)] == kinds


def test_held_out_rows_are_spread_and_fixed(byte_tokenizer: Tokenizer) -> None:
    objective = build(config(kind="masked"), model(24, **ENCODER), byte_tokenizer)
    split = shards(2000, byte_tokenizer)
    batches = held_out(objective, split, rows=10, batch_size=4, seed=1)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    again = held_out(objective, split, rows=10, batch_size=4, seed=1)
    assert all(torch.equal(one.inputs.tokens_BT, two.inputs.tokens_BT) for one, two in zip(batches, again, strict=True))
    by_three = held_out(objective, split, rows=10, batch_size=3, seed=1)
    assert torch.equal(torch.cat([b.inputs.tokens_BT for b in batches]), torch.cat([b.inputs.tokens_BT for b in by_three]))
    text = torch.from_numpy(split.tokens[:].astype(np.int64))
    windows = 1999 // 22
    for place, row in enumerate(torch.cat([batch.targets_BT for batch in batches])):
        start = place * windows // 10 * 22
        assert torch.equal(row[1:-1], text[start : start + 22])
    assert sum(len(batch) for batch in held_out(objective, shards(100, byte_tokenizer), rows=10, batch_size=4, seed=1)) == 4


def test_held_out_text_that_is_too_short(byte_tokenizer: Tokenizer) -> None:
    objective = build(config(kind="causal"), model(24), byte_tokenizer)
    with pytest.raises(HeadwaterError, match="20 tokens\\) is shorter than the 25 tokens of one row"):
        held_out(objective, shards(20, byte_tokenizer), rows=10, batch_size=4, seed=1)


def test_a_piece_from_elsewhere_needs_an_elsewhere(byte_tokenizer: Tokenizer) -> None:
    objective = build(config(kind="masked", next_sentence=True), model(24, **NEXT), byte_tokenizer)
    few = shards(40, byte_tokenizer)
    with pytest.raises(HeadwaterError, match="training text has only one row"):
        TextData(objective, few, lambda step: (step, 1), seed=0)
    with pytest.raises(HeadwaterError, match="held-out text has only one row"):
        held_out(objective, few, rows=4, batch_size=4, seed=1)
    (batch,) = held_out(objective, shards(50, byte_tokenizer), rows=4, batch_size=4, seed=1)
    assert len(batch) == 2


def test_entropy_of_the_targets() -> None:
    targets = torch.tensor([[1, 1, 2, 3], [1, 4, 9, 9]])
    weights = torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    batch = Batch(Inputs(targets), targets, weights)
    assert unigram_entropy([batch]) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    assert unigram_entropy([batch, batch]) == pytest.approx(unigram_entropy([batch]))


def test_counting_the_text_is_a_fair_mark_for_a_few_targets(byte_tokenizer: Tokenizer) -> None:
    """Tokens drawn at random from 200, each as likely as any: log 200 nats for whoever knows that. The entropy of a hundred targets
    themselves is far less."""
    objective = build(config(kind="masked"), model(24, **ENCODER), byte_tokenizer)

    def drawn(seed: int, length: int) -> Shards:
        tokens = np.random.default_rng(seed).integers(0, 200, length).astype(np.uint16)
        return dataclasses.replace(shards(length, byte_tokenizer), tokens=tokens)

    batches = held_out(objective, drawn(1, 2_000), rows=30, batch_size=8, seed=1)
    assert sum(batch.weight for batch in batches) < 150
    assert unigram_entropy(batches) < math.log(200) - 0.6
    counted = unigram_loss(batches, objective, drawn(2, 60_000), byte_tokenizer.vocab_size, seed=1)
    assert counted == pytest.approx(math.log(200), abs=0.06)


def test_shards_written_to_disk_are_read(byte_tokenizer: Tokenizer, tmp_path: Path) -> None:
    from headwater.core.storage import write_json
    from headwater.tokens.shards import write_split

    table = pa.table({"id": ["a", "b"], "source": ["s", "s"], "language": ["en", "en"], "text": ["the river " * 40, "a stone " * 40]})
    facts = write_split(tmp_path, "train", byte_tokenizer, table.to_batches())
    write_json(tmp_path / "tokens.json", {"dtype": "<u2", "vocab_size": byte_tokenizer.vocab_size, "splits": {"train": facts}})
    objective = build(config(kind="glm"), model(48), byte_tokenizer)
    batch = TextData(objective, Shards.open(tmp_path, "train"), lambda step: (4 * step, 4), seed=0).batch(0)
    assert batch.inputs.tokens_BT.shape == (4, 48) and batch.inputs.tokens_BT.dtype == torch.int64
