from __future__ import annotations

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.init_config import misfit
from tests.model.conftest import tiny

DEEP = {"kind": "layer", "place": "deep"}


def refused(**changes: Any) -> str | None:
    """What is said of a contradiction: by the config itself, or by `misfit` of it."""
    try:
        config = validate(ModelConfig, {"layers": 2, "width": 32, "heads": 4, **changes})
    except HeadwaterError as error:
        return error.what
    return misfit(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"init": {"kind": "t_fixup"}}, "t_fixup replaces norms, and this network has norm.kind rms; say norm.kind: none"),
        ({"init": {"kind": "deepnorm"}}, "deepnorm's weights belong to its residuals, and norm.place is pre; say norm.place: deep"),
        (
            {"init": {"kind": "fan_in"}},
            "fan_in draws embeddings of std 1, and a head tied to them makes logits as large as the width's root; say head.scale: width",
        ),
        ({"init": {"kind": "t5"}}, "t5's queries are small in place of a scale of the scores; say attention_scale: 1"),
        (
            {"init": {"kind": "mup", "base_width": 16}, "embedding": {"width": 16}},
            "muP has no rule for an embedding table narrower than the model; leave embedding.width out",
        ),
    ],
)
def test_a_scheme_that_contradicts_its_network(changes: dict[str, Any], said: str) -> None:
    assert (refused(**changes) or "").endswith(said)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"init": {"kind": "t_fixup"}, "norm": {"kind": "none"}},
        {"init": {"kind": "deepnorm"}, "norm": DEEP},
        {"init": {"kind": "t5"}, "attention_scale": 1.0},
        {"init": {"kind": "fan_in"}, "head": {"kind": "lm", "scale": "width"}},
        {"init": {"kind": "fan_in"}, "tied": False},
        {"init": {"kind": "mup", "base_width": 16}},
        {"init": {"kind": "t5"}, "mixer": {"kind": "lstm"}, "positions": {"kind": "none"}},
    ],
)
def test_schemes_that_fit(changes: dict[str, Any]) -> None:
    assert refused(**changes) is None


def test_without_a_kind_it_is_the_normal_scheme() -> None:
    config = tiny(init={"std": 0.1})
    assert config.init.kind == "normal" and config.init.std == 0.1


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ({"kind": "normal", "std": 0}, "init.std: input should be greater than 0"),
        ({"kind": "mup"}, "'init.base_width' is missing"),
        ({"kind": "xavier", "gains": 2}, "unknown key 'init.gains'"),
        ({"kind": "kaimin"}, "init.kind: there is no 'kaimin'; did you mean 'kaiming'"),
        ({"kind": "uniform", "limit": -1}, "init.limit: input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_one_sentence(init: dict[str, Any], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(ModelConfig, {"init": init})
    assert said in str(caught.value)
