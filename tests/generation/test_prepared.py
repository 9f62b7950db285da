from __future__ import annotations

import pytest
import torch

from headwater.core import brgemm
from headwater.generation.generate import generate
from headwater.generation.prepared import WORTH_IT, known, prepare
from headwater.generation.reading import Reader
from headwater.generation.sampling import Sampling
from tests.model.conftest import tiny
from tests.model.test_cache import CONFIGS

KNOWN = {
    **{name: changes for name, changes in CONFIGS.items() if known(tiny(**changes))},
    "biases everywhere": {"biases": {"queries": True, "out": True, "feed_forward": True, "norms": True, "head": True}},
    "squared relu, untied, scaled": {"feed_forward": {"kind": "relu2"}, "tied": False, "head": {"scale": "width", "softcap": 4.0}},
    "no final norm": {"norm": {"final": False}},
    "no norms": {"norm": {"kind": "none"}, "init": {"std": 0.12}},
}


@pytest.mark.parametrize("lengths", [[6, 6, 6], [9, 4, 1]], ids=["equal", "unequal"])
@pytest.mark.parametrize("name", KNOWN)
def test_its_logits_are_the_networks(name: str, lengths: list[int]) -> None:
    network = tiny(**KNOWN[name]).build(0)
    with torch.no_grad():
        for number, tensor in enumerate(network.parameters()):
            if tensor.ndim == 1:
                tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(number)) * 0.3)
    prompts = [list(range(20 + length, 20 + 2 * length)) for length in lengths]
    readers = [Reader(network, 3, 20, steps=steps) for steps in (0, WORTH_IT)]
    assert readers[0].prepared is None
    assert readers[1].prepared is not None
    for reader in readers:
        reader.read(prompts)
    for tokens in ([3, 4, 5], [6, 7, 8]):
        plain, quick = (torch.from_numpy(reader.next(tokens)) for reader in readers)
        torch.testing.assert_close(quick, plain, atol=1e-4, rtol=1e-4)
        assert plain.std() > 0.05
    for reader in readers:
        reader.keep([2, 0, 2])
    plain, quick = (torch.from_numpy(reader.next([9, 10, 11])) for reader in readers)
    torch.testing.assert_close(quick, plain, atol=1e-4, rtol=1e-4)


def test_enough_is_known_to_matter() -> None:
    assert len(KNOWN) > 20


@pytest.mark.parametrize("name", ["parallel", "experts", "lstm", "post", "bent scores", "xl; everywhere", "t5, one a layer; everywhere"])
def test_what_it_does_not_know_is_left_to_the_network(name: str) -> None:
    assert prepare(tiny(**CONFIGS[name]).build(0), 100) is None


def test_weights_are_those_of_the_moment() -> None:
    """Samples in the midst of training: nothing is kept from one call to the next."""
    network, sampling = tiny(init={"std": 0.4}).build(0), Sampling(temperature=0, max_tokens=20)
    first = generate(network, [[5, 6]], sampling, stop=set(), seed=0)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.1)
    assert generate(network, [[5, 6]], sampling, stop=set(), seed=0) != first


def test_bf16_weights_and_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under autocast weights become bf16 where the processor multiplies it; else the network does it."""
    network = tiny().build(0)
    monkeypatch.setattr(brgemm, "found", lambda: None)
    with torch.autocast("cpu", torch.bfloat16):
        assert prepare(network, 100) is None
    assert prepare(network, 100) is not None
    half = tiny().build(0).bfloat16()
    rows = generate(half, [[5, 6], [7]], Sampling(temperature=0, max_tokens=20), stop=set(), seed=0)
    assert [len(row.tokens) for row in rows] == [20, 20]
