from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from headwater.model.parts import (
    Biases,
    Buckets,
    Embedding,
    EmbeddingHead,
    Everywhere,
    Gated,
    MoE,
    Norm,
    Plain,
    PositionsConfig,
    RoPE,
    Scaling,
    SequenceHead,
    Strided,
    Window,
)
from headwater.tokens.masks import Places


def test_widths_that_are_not_given() -> None:
    assert Plain().width_in(96) == 384
    assert Plain(width=7).width_in(96) == 7
    # 8/3 of the width, up to a multiple of 64.
    assert [Gated().width_in(width) for width in (384, 4096, 1, 96, 97)] == [1024, 10944, 64, 256, 320]
    assert Gated(width=7).width_in(96) == 7


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"every": 2}, [1, 3, 5]),  # GShard, GLaM: every other layer
        ({"every": 3}, [2, 5]),
        ({"first_dense": 1}, [1, 2, 3, 4, 5]),  # DeepSeekMoE
        ({"every": 2, "first_dense": 2}, [3, 5]),
    ],
)
def test_which_layers_have_experts(changes: dict[str, int], layers: list[int]) -> None:
    part = MoE(**changes)  # type: ignore[arg-type]
    assert [layer for layer in range(6) if part.in_layer(layer)] == layers


@pytest.mark.parametrize(
    ("place", "final", "ends"),
    [
        ("pre", None, True),
        ("sandwich", None, True),
        ("post", None, False),
        ("deep", None, False),
        ("pre", False, False),
        ("post", True, True),
    ],
)
def test_whether_a_norm_ends_the_stack(place: Any, final: bool | None, ends: bool) -> None:
    assert Norm(place=place, final=final).ends is ends


def test_biases_in_one_word() -> None:
    assert Biases.model_validate(True) == Biases(queries=True, out=True, feed_forward=True, norms=True, head=False)
    assert Biases.model_validate(False) == Biases()
    assert Biases.model_validate({"queries": True}) == Biases(queries=True)


def test_patterns_are_masks() -> None:
    order = torch.arange(6)[None]

    def seen(part: Any) -> list[list[int]]:
        return [row.nonzero().flatten().tolist() for row in part.mask().dense(Places(order, order))[0]]

    assert seen(Everywhere()) == [list(range(6))] * 6
    assert seen(Window(size=2)) == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5]]
    assert seen(Strided(size=1, stride=3)) == [[0, 3], [1, 4], [2, 5], [0, 3], [1, 4], [2, 5]]
    assert seen(Strided(size=2, stride=3))[4] == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MoE(experts=2, top_k=3), "top_k is 3, but there are only 2 experts"),
        (lambda: Scaling(kind="yarn", factor=2.0), "yarn needs original_context"),
        (lambda: Scaling(kind="llama3", factor=2.0), "llama3 needs original_context"),
        (lambda: Scaling(kind="linear", factor=0.0), "greater than 0"),
        (lambda: RoPE(share=0.0), "greater than 0"),
        (lambda: RoPE(share=1.5), "less than or equal to 1"),
        (lambda: Buckets(buckets=3), "greater than or equal to 4"),
        (lambda: Buckets(buckets=32, max_distance=16), "the first 16 distances have buckets of their own"),
        (lambda: Window(size=0), "greater than 0"),
        (lambda: Plain(kind="swiglu"), "Input should be 'relu'"),  # type: ignore[arg-type]
        (lambda: Gated(wdith=3), "did you mean 'width'"),  # type: ignore[call-arg]
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make()


def test_scalings_that_need_no_context() -> None:
    assert Scaling(kind="linear", factor=2.0).original_context is None
    assert Scaling(kind="ntk", factor=2.0).original_context is None


def test_defaults_are_the_papers() -> None:
    moe = MoE()
    assert (moe.top_k, moe.scores, moe.renormalise, moe.capacity_factor, moe.scale) == (2, "softmax", True, None, 1.0)
    assert (moe.balance_loss, moe.router_z_loss, moe.balance_rate) == (0.01, 0.001, 0.0)  # Switch; ST-MoE; none of DeepSeek's bias
    assert (moe.every, moe.first_dense, moe.shared, moe.dense) == (1, 0, 0, None)
    assert (RoPE().base, RoPE().share, RoPE().pairs) == (10_000.0, 1.0, "halves")
    assert (Buckets().buckets, Buckets().max_distance, Buckets().per_layer) == (32, 128, False)
    assert Embedding() == Embedding(scale=None, norm=False, types=0, width=None)
    assert (SequenceHead().pool, SequenceHead().hidden, SequenceHead().classes) == ("first", True, 2)  # BERT's
    assert EmbeddingHead().pool == "mean"  # Sentence-BERT's
    assert (Norm().kind, Norm().eps, Norm().place) == ("rms", 1e-5, "pre")


def test_a_union_is_told_apart_by_kind() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(PositionsConfig)
    assert isinstance(adapter.validate_python({"kind": "t5"}), Buckets)
    with pytest.raises(ValidationError, match="rotary"):
        adapter.validate_python({"kind": "rotary"})
