"""Batches as a function of the step, whatever the batch size; held-out rows that are always the same; the entropy of targets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.objectives.build import build
from headwater.objectives.data import TextData, held_out, unigram_entropy
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.shards import INDEX, Shards
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.ramp import Ramp, first_row, size_at
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


def data(tokenizer: Tokenizer, rows: Any, asked: dict[str, Any], **architecture: Any) -> TextData:
    objective = build(config(**asked), model(24, **architecture), tokenizer)
    return TextData(objective, shards(2000, tokenizer), rows, seed=3)


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


def test_documents_are_those_of_the_tokens_that_are_read(byte_tokenizer: Tokenizer) -> None:
    paired = data(byte_tokenizer, lambda step: (3 * step, 3), {"kind": "masked", "next_sentence": True}, **NEXT)
    for step in range(5):
        found = paired.documents(step)
        assert len(found) == len(set(found)) and set(found) <= {f"d{n}" for n in range(40)}
        assert len(found) >= 2, "two windows of 22 tokens from different places"
    plain = data(byte_tokenizer, lambda step: (step, 1), {"kind": "causal"})
    start = plain.windows.start(5)
    assert plain.documents(5) == [f"d{n}" for n in range(start // 50, (start + 24) // 50 + 1)]


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
    text = torch.from_numpy(split.tokens.astype(np.int64))
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


def test_shards_written_to_disk_are_read(byte_tokenizer: Tokenizer, tmp_path: Path) -> None:
    from headwater.core.storage import write_json
    from headwater.tokens.shards import write_split

    table = pa.table({"id": ["a", "b"], "source": ["s", "s"], "language": ["en", "en"], "text": ["the river " * 40, "a stone " * 40]})
    facts = write_split(tmp_path, "train", byte_tokenizer, table.to_batches())
    write_json(tmp_path / "tokens.json", {"dtype": "<u2", "vocab_size": byte_tokenizer.vocab_size, "splits": {"train": facts}})
    objective = build(config(kind="glm"), model(48), byte_tokenizer)
    batch = TextData(objective, Shards.open(tmp_path, "train"), lambda step: (4 * step, 4), seed=0).batch(0)
    assert batch.inputs.tokens_BT.shape == (4, 48) and batch.inputs.tokens_BT.dtype == torch.int64
