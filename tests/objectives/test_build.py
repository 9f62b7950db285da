"""From a config to an objective: what a tokenizer lacks is told with the mend."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.objectives.build import build, check
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import Tokenizer, train
from tests.objectives.conftest import DECODER, ENCODER, PAIR, config, model


@pytest.mark.parametrize(
    ("kind", "architecture", "missing", "mend"),
    [
        ("masked", ENCODER, "mask, cls, sep", "[mask, cls, sep]"),
        ("fim", DECODER, "prefix, middle, suffix", "[prefix, middle, suffix]"),
        ("glm", DECODER, "mask, gmask, sop, eop", "[mask, gmask, sop, eop]"),
        ("denoise", PAIR, "mask", "[mask]"),
        ("ul2", PAIR, "r, s, x", "[r, s, x]"),
    ],
)
def test_missing_special_tokens(kind: str, architecture: dict[str, Any], missing: str, mend: str) -> None:
    with pytest.raises(HeadwaterError) as raised:
        build(config(kind=kind), model(**architecture), train(Bytes(), []), where="pretrain.objective")
    assert raised.value.what == f"{kind} needs the special tokens {missing}"
    assert raised.value.where == "pretrain.objective" and raised.value.mend == f"say tokenizer.specials: {mend}"


def test_too_few_sentinels() -> None:
    with pytest.raises(HeadwaterError, match="up to 28 spans, and the tokenizer has 5 sentinels") as raised:
        build(config(kind="span"), model(512, **PAIR), train(Bytes(sentinels=5), []))
    assert raised.value.mend == "say tokenizer.sentinels: 28"


def test_a_model_that_cannot_learn_it(byte_tokenizer: Tokenizer) -> None:
    with pytest.raises(HeadwaterError, match="cannot learn masked: a decoder sees nothing after a hidden token"):
        check(config(kind="masked"), model(), byte_tokenizer)


@pytest.mark.parametrize("kind", ["causal", "prefix", "span", "denoise", "ul2", "glm", "fim"])
def test_raw_length_of_config_and_objective_agree(kind: str, byte_tokenizer: Tokenizer) -> None:
    shape = model(96)
    assert build(config(kind=kind), shape, byte_tokenizer).raw == config(kind=kind).raw_length(shape)
