"""Labelled rows: what stands where, what is cut, and an order that is a function of the step alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.objectives.labelled import Item, LabelledData, TextRows, cut_to
from headwater.tokens.config import Bytes
from headwater.tokens.masks import causal, documents, full
from headwater.tokens.tokenizer import train

TOKENIZER = train(Bytes(specials=("cls", "sep")), [])
CLS, SEP, END, PAD = (TOKENIZER.special(name) for name in ("cls", "sep", "end", "pad"))


def how(kind: str, types: int = 2) -> TextRows:
    shape = {"kind": kind, "layers": 2, "width": 16, "heads": 2, "context": 24, "embedding": {"types": types}}
    return TextRows.of(ModelConfig.model_validate(shape), TOKENIZER)


def test_an_encoder_reads_cls_and_sep_a_decoder_ends() -> None:
    row = how("encoder").row([7, 8], [9])
    assert row.tokens.tolist() == [CLS, 7, 8, SEP, 9, SEP]
    assert row.types is not None
    assert row.types.tolist() == [0, 0, 0, 0, 1, 1]
    row = how("decoder", types=0).row([7, 8], [9])
    assert row.tokens.tolist() == [END, 7, 8, END, 9, END]
    assert row.types is None


def test_a_batch_is_about_as_long_as_its_longest_row() -> None:
    """In steps of 16 tokens, up to the context."""
    rows = how("encoder")
    batch = rows.lay([Item(rows.row([7]), 1, "a"), Item(rows.row([7, 8, 9]), 0, "b")])
    assert batch.inputs.tokens_BT.tolist() == [[CLS, 7, SEP] + [PAD] * 13, [CLS, 7, 8, 9, SEP] + [PAD] * 11]
    assert batch.inputs.segments_BT is not None
    assert batch.inputs.segments_BT.tolist() == [[1] * 3 + [0] * 13, [1] * 5 + [0] * 11]
    assert [rows.lay([Item(rows.row([7] * text), 1, "a")]).size for text in (14, 15, 22)] == [16, 24, 24]
    assert batch.inputs.mask == full() & documents()
    assert how("decoder").lay([Item(rows.row([7]), 1, "a")]).inputs.mask == causal() & documents()
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 0]
    assert batch.weight == 2
    spans = rows.lay([Item(rows.row([7]), (0, 1), "a")]).labels
    assert spans is not None
    assert spans.tolist() == [[0, 1]]
    values = rows.lay([Item(rows.row([7]), 0.5, "a")]).labels
    assert values is not None
    assert values.dtype == torch.float32


def test_padding_changes_no_logits() -> None:
    for kind in ("encoder", "decoder"):
        shape = {"kind": kind, "layers": 2, "width": 16, "heads": 2, "context": 16}
        config = ModelConfig.model_validate({**shape, "head": {"kind": "classes", "pool": "first" if kind == "encoder" else "last"}})
        network = config.with_vocabulary(TOKENIZER.vocab_size).build(0).eval()
        rows = TextRows.of(config, TOKENIZER)
        short, long = Item(rows.row([70, 80]), 0, "a"), Item(rows.row(list(range(60, 72))), 0, "b")
        with torch.no_grad():
            together, alone = network(rows.lay([short, long]).inputs)[0], network(rows.lay([short]).inputs)[0]
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 25))
def test_the_longer_text_loses_its_last_tokens_first(a: int, b: int, room: int) -> None:
    first, second = cut_to(room, list(range(a)), list(range(b)))
    while a + b > room:  # Devlin et al.'s truncate_seq_pair, one token at a time
        a, b = (a - 1, b) if a > b else (a, b - 1)
    assert second is not None
    assert abs(len(first) - a) <= 1
    assert len(first) + len(second) == a + b
    assert first == list(range(len(first)))
    assert second == list(range(len(second)))


def test_every_item_once_an_epoch_and_another_order_in_the_next() -> None:
    rows = how("encoder")
    items = [Item(rows.row([number]), number, str(number)) for number in range(30)]
    data = LabelledData(items, rows, lambda step: (step * 7, 7), seed=1)
    read = [item.label for step in range(60) for item in data.chosen(step)]
    epochs = [read[start : start + 30] for start in range(0, 420, 30)]
    assert all(sorted(epoch, key=str) == sorted(range(30), key=str) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
    assert data.documents(3) == [str(label) for label in read[21:28]]
    again = LabelledData(items, rows, lambda step: (step * 7, 7), seed=1)
    assert again.batch(41).inputs.tokens_BT.equal(data.batch(41).inputs.tokens_BT)


def test_an_encoder_without_cls_is_one_sentence() -> None:
    config = ModelConfig(kind="encoder", layers=1, width=16, heads=2)
    with pytest.raises(HeadwaterError, match="need the special tokens cls, sep, which its tokenizer lacks"):
        TextRows.of(config, train(Bytes(), []))
