"""Whole texts before a head: what is cut is counted, both texts stay, and baselines know the training side alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.alignment.examples import Gathered
from headwater.alignment.examples_rows import Labelled
from headwater.alignment.finetune_config import Finetune
from headwater.alignment.finetune_lesson import Lesson
from headwater.alignment.finetune_texts import Texts
from headwater.model.config import ModelConfig
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

TOKENIZER = train(Bytes(specials=("cls", "sep")), [])


def texts(learned: list[Labelled], held_out: list[Labelled], labels: tuple[str, ...], kind: str = "encoder") -> Texts:
    block: dict[str, Any] = {"task": {"kind": "classification" if labels else "regression"}, "sources": [{"path": "x"}], "steps": 50}
    model = ModelConfig.model_validate({"kind": kind, "layers": 1, "width": 16, "heads": 2, "context": 16})
    found = Gathered(learned, held_out, labels, {}, [])
    return Texts(Lesson(Finetune.model_validate(block), model.with_vocabulary(TOKENIZER.vocab_size), TOKENIZER, found, 0))


def test_long_texts_are_cut_and_counted_and_both_texts_stay() -> None:
    learned = [Labelled("a", "x" * 14, None, "n"), Labelled("b", "x" * 15, None, "p"), Labelled("c", "x" * 30, "y" * 4, "p")]
    taught = texts(learned, learned[:1], ("n", "p"))
    assert taught.counts["cut"] == 2
    rows = [TOKENIZER.decode(item.row.tokens.tolist()) for item in taught.data.items]
    assert rows[0] == f"<|cls|>{'x' * 14}<|sep|>" == rows[1]
    assert rows[2] == f"<|cls|>{'x' * 9}<|sep|>yyyy<|sep|>"


def test_a_decoder_is_read_where_it_has_read_all() -> None:
    learned = [Labelled("a", "x", None, "n"), Labelled("b", "y", None, "p")]
    taught = texts(learned, learned, ("n", "p"), "decoder")
    assert (taught.head.pool, taught.head.hidden) == ("last", False)
    assert TOKENIZER.decode(taught.data.items[0].row.tokens.tolist()) == "<|end|>x<|end|>"
    assert texts(learned, learned, ("n", "p")).head.pool == "first"


def test_values_are_learned_in_deviations_and_kept_in_units() -> None:
    learned = [Labelled(str(value), "x", None, float(value)) for value in (100, 300, 500)]
    held_out = [Labelled("h", "x", None, 340.0), Labelled("i", "y", None, 300.0)]
    taught = texts(learned, held_out, ())
    labels = torch.tensor([item.label for item in taught.data.items])
    assert float(labels.mean()) == pytest.approx(0, abs=1e-6)
    assert float(labels.std(correction=0)) == pytest.approx(1)
    network = taught.lesson.model.model_copy(update={"head": taught.head}).build(0).eval()
    before = [answer["said"] for answer in taught.answer(network, [0, 1])]
    taught.finish(network)
    assert [answer["said"] for answer in taught.answer(network, [0, 1])] == pytest.approx(before, rel=1e-5)
    figures, _ = taught.judge(network)
    assert figures["baseline"] == {"says": 300.0, "mse": pytest.approx((40**2 + 0) / 2)}


def test_the_baseline_is_the_commonest_label_of_the_training_side() -> None:
    learned = [Labelled(str(n), "x", None, label) for n, label in enumerate("nnp")]
    held_out = [Labelled(str(n), "x", None, label) for n, label in enumerate("pppn")]
    taught = texts(learned, held_out, ("n", "p"))
    assert taught._baseline() == {"says": "n", "accuracy": 0.25, "macro_f1": pytest.approx(0.2)}
    figures = {"accuracy": 0.75, "macro_f1": 0.7, "baseline": {"accuracy": 0.5}}
    assert "no surer than the commonest label alone: 0.500" in taught.told(figures)  # 3 of 4 is what luck gives one time in three
    assert "no surer" not in taught.told({**figures, "accuracy": 1.0})
