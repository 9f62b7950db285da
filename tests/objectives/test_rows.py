"""What holds for every objective: a row is the same in whatever batch, and nobody sees what he is to predict."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch

from headwater.objectives.rows import Layout, Row, documents_in, lay, make
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, documents, full, prefix
from tests.objectives.conftest import DECODER, ENCODER, FIRST, PAIR, batch_of, built, model, seen, streams, unique_texts

NEXT = {"kind": "encoder", "head": {"kind": "mlm", "next_sentence": True}, "embedding": {"types": 2}}
APART = {"across_documents": False}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *[(DECODER, {"kind": kind}) for kind in ("causal", "prefix", "span", "denoise", "ul2", "glm", "fim")],
    *[(DECODER, {"kind": kind, **APART}) for kind in ("causal", "prefix", "fim")],
    ({"positions": {"kind": "glm"}}, {"kind": "glm"}),
    ({"head": {"kind": "lm", "future": 2}}, {"kind": "multi_token"}),
    (DECODER, {"kind": "mixture", "of": [{"objective": {"kind": "causal"}}, {"objective": {"kind": "ul2"}}]}),
    *[(PAIR, {"kind": kind}) for kind in ("prefix", "span", "denoise", "ul2")],
    *[(ENCODER, {"kind": "masked", **more}) for more in ({}, APART, {"whole_words": True})],
    (NEXT, {"kind": "masked", "next_sentence": True}),
]
IDS = [f"{architecture.get('kind', 'decoder')}-{'-'.join(map(str, asked.values()))[:30]}" for architecture, asked in CASES]


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    found = {}
    for name, record in (("", batch), ("inputs.", batch.inputs), ("source.", batch.source)):
        if record is not None:
            found.update({name + field.name: getattr(record, field.name) for field in fields(record)})
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize(("architecture", "asked"), CASES, ids=IDS)
def test_a_row_is_the_same_in_whatever_batch_it_stands(architecture: dict[str, Any], asked: dict[str, Any]) -> None:
    objective = built(model(64, **architecture), **asked)
    texts = unique_texts(objective, 8, ends=[13, 40])
    whole = tensors(make(objective, texts, streams(range(8))))
    for rows in ([5], [7, 2], [0, 1, 2, 3]):
        part = tensors(make(objective, [texts[row] for row in rows], streams(rows)))
        assert part.keys() == whole.keys()
        for name, tensor in part.items():
            assert torch.equal(tensor, whole[name][rows]), name
    again = tensors(make(objective, texts, streams(range(8))))
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize(("architecture", "asked"), CASES, ids=IDS)
def test_nobody_sees_what_he_is_to_predict(architecture: dict[str, Any], asked: dict[str, Any]) -> None:
    if asked["kind"] == "masked":
        asked = {**asked, "mask": 1.0, "random": 0.0}  # the tenth that stays is seen, as BERT has it
    objective = built(model(64, **architecture), **asked)
    batch = batch_of(objective, rows=6, ends=[13, 40])
    inputs = batch.inputs
    rewritten = asked["kind"] == "denoise"  # BART's target is the whole text, most of which its source has
    checked = 0
    for row in range(6):
        given = set() if inputs.prefix_BT is None or not rewritten else set(inputs.tokens_BT[row][inputs.prefix_BT[row]].tolist())
        source = set() if batch.source is None or rewritten else set(batch.source.tokens_BT[row].tolist())
        for place in torch.nonzero(batch.weights_BT[row]).flatten().tolist():
            targets = [int(batch.targets_BT[row, place])]
            if batch.ahead_BTF is not None and batch.ahead_weights_BTF is not None:
                targets += batch.ahead_BTF[row, place][batch.ahead_weights_BTF[row, place] > 0].tolist()
            known = (set(seen(inputs, row, place)) - given) | source
            told = [target for target in targets if target >= FIRST and target in known]
            assert not told
            checked += 1
    assert checked > 20


@pytest.mark.parametrize(("architecture", "asked"), CASES, ids=IDS)
def test_the_network_reads_it(architecture: dict[str, Any], asked: dict[str, Any]) -> None:
    """Every learned position attends to something, so that nothing is NaN; learned targets are in the vocabulary."""
    shape = model(64, **architecture)
    batch = batch_of(built(shape, **asked), rows=2, ends=[13, 40])
    logits_BTV = shape.build(0)(batch.inputs, source=batch.source)
    assert logits_BTV[batch.weights_BT > 0].isfinite().all()
    assert int(batch.targets_BT.min()) >= 0 and int(batch.targets_BT.max()) < shape.vocabulary


def test_masks_of_layouts() -> None:
    assert Layout(4, 0).mask == causal()
    assert Layout(4, 0, both_ways=True, apart=True).mask == full() & documents()
    assert Layout(4, 0, fields=frozenset({"prefix"}), apart=True).mask == (causal() | prefix()) & documents()


def test_a_row_that_is_too_long_is_refused() -> None:
    ids = torch.arange(5).numpy()
    with pytest.raises(AssertionError, match="5 tokens where 4 fit"):
        lay([Row(ids, ids)], Layout(4, 0))


def test_a_decoders_padding_belongs_to_its_last_document() -> None:
    ids = torch.arange(3).numpy()
    row = Row(ids, ids, segments=torch.tensor([1, 1, 2]).numpy(), source=ids)
    layout = Layout(5, 9, fields=frozenset({"segments", "source_segments"}), source_length=4)
    batch = lay([row], layout)
    assert isinstance(batch.source, Inputs) and batch.source.segments_BT is not None and batch.inputs.segments_BT is not None
    assert batch.inputs.segments_BT.tolist() == [[1, 1, 2, 2, 2]]
    assert batch.source.segments_BT.tolist() == [[1, 1, 1, 0]] and batch.source.tokens_BT.tolist() == [[0, 1, 2, 9]]


def test_documents_in() -> None:
    segments, positions = documents_in(torch.tensor([5, 0, 6, 0, 0, 7]).numpy(), end=0)
    assert segments.tolist() == [1, 2, 2, 3, 4, 4] and positions.tolist() == [0, 0, 1, 0, 0, 1]
