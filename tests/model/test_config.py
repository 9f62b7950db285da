from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from tests.model.conftest import GPT2_LIKE, random_config


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"width": 100, "heads": 6}, "6 heads do not divide a width of 100; change one of them or set head_width"),
        ({"heads": 6, "kv_heads": 4}, "4 kv_heads do not divide 6 heads; each must serve equally many"),
        (
            {"heads": 6, "head_width": 33},
            "RoPE turns pairs of features, and 33 of a head width of 33 are no whole pairs",
        ),
        ({"layer": 3}, "unknown key 'layer'; did you mean 'layers'?"),
        ({"feed_forward": {"kind": "tanh"}}, "feed_forward.kind: there is no 'tanh'"),
        (
            {"feed_forward": {"kind": "moe", "experts": 4, "top_k": 5}},
            "top_k is 5, but there are only 4 experts; choose fewer or have more",
        ),
        ({"pattern": [{"kind": "window", "size": 300}]}, "a window of 300 is larger than the context of 256"),
        ({"positions": {"kind": "rope", "scaling": {"kind": "yarn", "factor": 4}}}, "yarn needs original_context"),
        ({"norm": {"kind": "batch"}}, "BatchNorm takes its statistics over whole rows, so a decoder would see what follows"),
        ({"mixer": {"kind": "lstm"}}, "rope positions belong to attention, and these layers have none; use {kind: none}"),
        ({"mixer": {"kind": "lstm"}, "kind": "encoder"}, "a network of lstm layers reads one way"),
        ({"encoder_layers": 3}, "encoder_layers belongs to an encoder-decoder, and this is a decoder"),
        ({"block": "parallel", "norm": {"place": "post"}}, "a parallel block has its norm before both branches, not post"),
        ({"block": "parallel", "kind": "encoder-decoder"}, "a parallel block has no place for cross-attention"),
        ({"head": {"kind": "mlm"}}, "a masked-language head needs an encoder, and this is a decoder"),
        ({"dropout": 1.0}, "dropout"),
        ({"layers": 0}, "layers"),
    ],
)
def test_a_mistake_is_one_sentence(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(ModelConfig, data)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_odd_head_width_is_fine_without_rope() -> None:
    ModelConfig.model_validate({**GPT2_LIKE, "width": 9, "heads": 3})


def test_parameter_count_of_gpt2_is_the_published_one() -> None:
    """Radford et al. 2019 print 117M for the smallest; the released checkpoint has 124,439,808."""
    config = ModelConfig(layers=12, width=768, heads=12, context=1024, **GPT2_LIKE).with_vocabulary(50257)
    assert config.parameter_count() == 124_439_808


def test_parameter_count_of_llama_7b_is_the_published_one() -> None:
    """6.7B in table 2 of Touvron et al. 2023; 6,738,415,616 in the checkpoint. Its width of 11008 comes from our default rule too
    only where 8/3 rounds to a multiple of 256, so it is given."""
    config = ModelConfig.model_validate(
        {"layers": 32, "width": 4096, "heads": 32, "tied": False, "vocab_size": 32000, "feed_forward": {"kind": "swiglu", "width": 11008}}
    )
    assert config.parameter_count() == 6_738_415_616


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("seed", range(6))
def test_parameter_count_equals_the_real_one(seed: int, family: str) -> None:
    config = random_config(seed, family)
    assert config.parameter_count() == sum(tensor.numel() for tensor in config.build(0).parameters())


def test_the_config_comes_without_torch() -> None:
    code = "import sys, headwater.model.config, headwater.generation.sampling as s; s.Sampling(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
