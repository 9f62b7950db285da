from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.generation.generate import generate, stream
from headwater.generation.sampling import Sampling
from headwater.model.config import ModelConfig
from headwater.model.directory import save
from headwater.model.network import Network
from headwater.model.parts import Learned, Norm, Plain
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

GREEDY = Sampling(temperature=0, max_tokens=12)
WARM = Sampling(temperature=1.5, top_k=40, max_tokens=12)
GPT2_LIKE: dict[str, Any] = {"norm": Norm(kind="layer"), "positions": Learned(), "feed_forward": Plain(), "biases": True}


def config(**changes: Any) -> ModelConfig:
    base = {"layers": 2, "width": 32, "heads": 4, "context": 48, "vocab_size": 262, "init": {"std": 0.3}}
    return ModelConfig.model_validate({**base, **changes})


@pytest.fixture(scope="module")
def network() -> Network:
    return config(kv_heads=2).build(0)


def prompts(count: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(6, 262, int(rng.integers(1, 30))).tolist() for _ in range(count)]


@pytest.mark.oracle
@pytest.mark.parametrize("changes", [{"kv_heads": 2}, GPT2_LIKE], ids=["llama", "gpt2"])
def test_greedy_equals_transformers_token_for_token(tmp_path: Any, changes: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    ours = config(**changes).build(1)
    save(tmp_path, ours, ours.config, train(Bytes(), []))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    found = generate(ours, prompts(8), GREEDY, stop=set(), seed=0)
    for prompt, row in zip(prompts(8), found, strict=True):
        whole = theirs.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False, max_new_tokens=12, eos_token_id=None
        )
        assert row.tokens == whole[0, len(prompt) :].tolist()
        assert not row.finished


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_row_depends_on_itself_alone(network: Network, batch_size: int, sampling: Sampling) -> None:
    """Any batch, any neighbours, any order: the same tokens for the same prompt and key."""
    keys = [f"row {index}" for index in range(8)]
    expected = [
        generate(network, [prompt], sampling, stop={7}, seed=3, keys=[key])[0] for prompt, key in zip(prompts(8), keys, strict=True)
    ]
    assert generate(network, prompts(8), sampling, stop={7}, seed=3, keys=keys, batch_size=batch_size) == expected
    assert generate(network, prompts(8)[::-1], sampling, stop={7}, seed=3, keys=keys[::-1], batch_size=batch_size) == expected[::-1]


def test_keys_and_seeds_decide_the_draws(network: Network) -> None:
    same = [prompts(1)[0]] * 3
    first, second, third = generate(network, same, WARM, stop=set(), seed=0, keys=["a", "a", "b"])
    assert first == second
    assert first != third
    assert generate(network, same[:1], WARM, stop=set(), seed=1, keys=["a"])[0] != first


def test_stream_is_generate_one_by_one(network: Network) -> None:
    for prompt in prompts(4):
        whole = generate(network, [prompt], WARM, stop={20, 30}, seed=5, keys=["chat"])[0]
        assert list(stream(network, prompt, WARM, stop={20, 30}, seed=5, key="chat")) == whole.tokens


def test_a_stop_token_ends_its_row_and_no_other(network: Network) -> None:
    free = generate(network, prompts(6), GREEDY, stop=set(), seed=0)
    stop = {free[0].tokens[3], free[1].tokens[0]}
    for before, after in zip(free, generate(network, prompts(6), GREEDY, stop=stop, seed=0), strict=True):
        place = next((index for index, token in enumerate(before.tokens) if token in stop), None)
        assert after.tokens == before.tokens[:place]
        assert after.finished == (place is not None)
        assert after.stopped_by == (None if place is None else before.tokens[place])


@pytest.mark.parametrize("changes", [{}, GPT2_LIKE], ids=["llama", "gpt2"])
def test_a_full_context_goes_on_from_its_last_half(changes: dict[str, Any]) -> None:
    """Against decoding without a cache, by the rule itself; three rows that fill up at different times."""
    network = config(context=16, **changes).build(2)
    sampling = Sampling(temperature=0, max_tokens=40)
    texts = [[50, 60, 70], list(range(100, 112)), list(range(100, 140))]
    found = generate(network, texts, sampling, stop=set(), seed=0)
    for text, row in zip(texts, found, strict=True):
        seen, expected = text[-16:], []
        for _ in range(40):
            with torch.inference_mode():
                expected.append(int(network(torch.tensor([seen]))[0, -1].argmax()))
            seen = [*(seen if len(seen) < 16 else seen[8:]), expected[-1]]
        assert row.tokens == expected


def test_a_context_of_one_token_still_goes_on() -> None:
    network = config(context=1).build(0)
    assert len(generate(network, [[5, 6]], GREEDY, stop=set(), seed=0)[0].tokens) == 12


def test_an_empty_prompt_is_refused(network: Network) -> None:
    with pytest.raises(HeadwaterError, match="an empty prompt"):
        generate(network, [[1], []], GREEDY, stop=set(), seed=0)


def test_nothing_asked_is_nothing_given(network: Network) -> None:
    assert generate(network, [], GREEDY, stop=set(), seed=0) == []


def test_a_network_in_training_is_decoded_without_dropout_and_goes_on_training() -> None:
    network = config(dropout=0.5).build(0)
    network.train()
    found = generate(network, prompts(2), GREEDY, stop=set(), seed=0)
    assert network.training
    network.eval()
    assert found == generate(network, prompts(2), GREEDY, stop=set(), seed=0)


def test_decoding_under_autocast(network: Network) -> None:
    """Samples during bf16 training: keys and values are kept in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        rows = generate(network, prompts(3), WARM, stop=set(), seed=0)
    assert [len(row.tokens) for row in rows] == [12] * 3
