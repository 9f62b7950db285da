"""What a recipe may say of an objective, and what it is told when it says something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from headwater.objectives.config import GLM, UL2, Decay, Denoising, Masked, Spans
from tests.objectives.conftest import DECODER, ENCODER, PAIR, config, model


def test_defaults_are_the_papers_numbers() -> None:
    assert (Spans().density, Spans().mean) == (0.15, 3.0)
    assert (Masked().rate, Masked().mask, Masked().random) == (0.15, 0.8, 0.1)
    assert (Denoising().infill, Denoising().mean) == (0.3, 3.0)
    assert (GLM().short, GLM().density, GLM().mean, GLM().least, GLM().most) == (0.3, 0.15, 3.0, 0.5, 1.0)
    table = [(denoiser.mode, denoiser.mean, denoiser.density) for denoiser in UL2().denoisers]
    assert table == [
        ("r", 3, 0.15), ("r", 8, 0.15), ("s", None, 0.25), ("x", 3, 0.5), ("x", 8, 0.5), ("x", 64, 0.15), ("x", 64, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "architecture", "raw", "sentinels"),
    [
        ("causal", DECODER, 512, 0),
        ("masked", ENCODER, 510, 0),
        ("span", PAIR, 568, 28),
        ("span", DECODER, 465, 23),
        ("denoise", PAIR, 511, 0),
        ("glm", DECODER, 510, 0),
        ("prefix", PAIR, 512, 0),
    ],
)
def test_text_and_sentinels_of_a_row(kind: str, architecture: dict[str, Any], raw: int, sentinels: int) -> None:
    shape = model(512, **architecture)
    assert config(kind=kind).raw_length(shape) == raw
    assert config(kind=kind).sentinels(shape) == sentinels


def test_ul2_takes_as_much_text_as_its_hungriest_denoiser() -> None:
    shape = model(512, **PAIR)
    each = [denoiser.raw_length(shape, True) for denoiser in UL2().denoisers]
    assert UL2().raw_length(shape) == max(each) > 900 and min(each) > 500
    assert UL2().sentinels(shape) == 127, "3 tokens a span and half of the text: more than T5's 100"


def test_a_context_without_room_is_told() -> None:
    for kind, context in (("span", 2), ("denoise", 2), ("glm", 3), ("ul2", 3)):
        reason = config(kind=kind).fits(model(context))
        assert reason == f"a context of {context} leaves no room for a text; lengthen it"
    assert "nothing further ahead" in str(config(kind="multi_token").fits(model(2, head={"kind": "lm", "future": 1})))


def test_special_tokens() -> None:
    assert config(kind="ul2").specials == ("r", "s", "x") and config(kind="ul2", mode_tokens=False).specials == ()
    assert config(kind="denoise", infill=0).specials == () and config(kind="denoise").specials == ("mask",)
    parts = [{"objective": {"kind": "fim"}}, {"objective": {"kind": "glm"}}]
    assert config(kind="mixture", of=parts).specials == ("prefix", "middle", "suffix", "mask", "gmask", "sop", "eop")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "denoise", "infill": 0, "sentences": False}, "no noise is asked for"),
        ({"kind": "glm", "least": 0.9, "most": 0.5}, "exchange them"),
        ({"kind": "ul2", "denoisers": [{"mode": "r", "density": 0.15, "mean": 3, "weight": 0}]}, "every denoiser has weight 0"),
        ({"kind": "span", "density": 1.0}, "less than 1"),
        ({"kind": "mixture", "of": [{"objective": {"kind": "seq2seq"}}]}, "does not match any of the expected tags"),
        ({"kind": "clm"}, "does not match any of the expected tags"),
        ({"kind": "masked", "next_sentense": True}, "next_sentence"),
    ],
)
def test_mistakes(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "by 'steps' alone"),
        ({"shape": "exponential", "steps": 10}, "by 'k' alone"),
        ({"shape": "exponential", "k": 1.5}, "below 1"),
        ({"shape": "sigmoid", "k": 0.5}, "at least 1"),
    ],
)
def test_decays(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Decay(**fields)


def test_heads_and_positions_must_fit() -> None:
    assert "head of kind lm" in str(config(kind="causal").fits(model(head={"kind": "scalar"})))
    assert "embedding.types" in str(
        config(kind="masked", next_sentence=True).fits(model(kind="encoder", head={"kind": "mlm", "next_sentence": True}))
    )
    assert "documents cannot be kept apart" in str(config(kind="prefix", across_documents=False).fits(model(**PAIR)))
