"""headwater/generation/halves.py: formulas say what its parts compute; a whole step is as near to fp32 as the network under autocast."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from headwater.core import brgemm
from headwater.generation.beam import Beam, search
from headwater.generation.generate import generate, stream
from headwater.generation.halves import Gathering, Halved
from headwater.generation.prepared import WORTH_IT
from headwater.generation.reading import Reader
from headwater.generation.sampling import Sampling
from tests.generation.test_prepared import KNOWN
from tests.model.conftest import tiny

pytestmark = pytest.mark.skipif(brgemm.found() is None, reason="no AMX here, or a torch that does not export its micro-kernel")


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("size", [(1, 1), (16, 64), (37, 33), (300, 130), (64, 1)], ids=str)
@pytest.mark.parametrize("rows", [1, 5, 16, 70])
def test_products_equal_those_of_rounded_numbers(rows: int, size: tuple[int, int]) -> None:
    weight_OI, bias_O, x_BI = drawn(*size), drawn(size[0]), drawn(rows, size[1])
    stream_BO = drawn(rows, size[0])
    exact = x_BI.bfloat16().double() @ weight_OI.bfloat16().double().T
    for bias in (None, bias_O):
        halved = Halved(weight_OI, bias)
        expected = exact if bias is None else exact + bias
        torch.testing.assert_close(halved(x_BI).double(), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(halved.onto(stream_BO, x_BI).double(), expected + stream_BO, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(halved(x_BI[:1].repeat(3, 1))[2], halved(x_BI)[0], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shared", [1, 3])
@pytest.mark.parametrize("lengths", [[0, 0], [7, 7], [7, 2]])
def test_gathering_equals_the_formula(lengths: list[int], shared: int) -> None:
    """With and without numbers added, in turns; the new key and value are written, and nothing else is."""
    B, J, S, K, scale = 2, 2, 9, 10, 0.7
    H = J * shared
    q, k, v = drawn(B, H + 2 * J, K).split([H, J, J], 1)
    keys, values = drawn(B, J, S, K).bfloat16(), drawn(B, J, S, K + 1)[..., 1:].bfloat16().contiguous()
    gathering = Gathering(H, J, K, scale)
    for added in (None, drawn(B, H, max(lengths) + 1), None):
        kept_keys, kept_values = keys.clone(), values.clone()
        mixed = gathering(q, k, v, kept_keys, kept_values, torch.tensor(lengths), added)
        for b, own in enumerate(lengths):
            keys[b, :, own], values[b, :, own] = k[b].bfloat16(), v[b].bfloat16()
            for h in range(H):
                scores = scale * keys[b, h // shared, : own + 1].double() @ q[b, h].double()
                scores += 0 if added is None else added[b, h, : own + 1]
                expected = scores.softmax(0) @ values[b, h // shared, : own + 1].double()
                torch.testing.assert_close(mixed[b, h * K : (h + 1) * K].double(), expected, atol=2e-5, rtol=2e-5)
        assert torch.equal(kept_keys, keys) and torch.equal(kept_values, values)


def test_a_number_that_is_none_is_seen() -> None:
    x = drawn(2, 40)
    x[1, 3] = math.nan
    found = Halved(drawn(32, 40), None)(x)
    assert found[0].isfinite().all() and found[1].isnan().all()
    keys = drawn(1, 1, 4, 16).bfloat16()
    keys[0, 0, 1, 0] = math.nan
    q, k, v = drawn(1, 3, 16).split(1, 1)
    assert Gathering(1, 1, 16, 1.0)(q, k, v, keys, keys.clone(), torch.tensor([3]), None).isnan().any()


@pytest.mark.parametrize("lengths", [[6, 6, 6], [9, 4, 1]], ids=["equal", "unequal"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_step_is_as_near_as_autocast(name: str, lengths: list[int]) -> None:
    """To what the network says in fp32; rows are left out and doubled on the way."""
    network = tiny(**KNOWN[name]).build(0)
    prompts = [list(range(20 + length, 20 + 2 * length)) for length in lengths]

    def said(bf16: bool, steps: int) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            reader = Reader(network, 3, 20, steps=steps)
            assert (reader.prepared is not None and reader.prepared.halves) == (steps > 0)
            reader.read(prompts)
            found = [reader.next(tokens) for tokens in ([3, 4, 5], [6, 7, 8])]
            reader.keep([2, 0, 2])
            return torch.from_numpy(np.stack([*found, reader.next([9, 10, 11])]).astype(np.float32))

    exact, halved, cast = said(False, 0), said(True, WORTH_IT), said(True, 0)
    assert 0 < (halved - exact).norm() < 1.1 * (cast - exact).norm() + 1e-6 * exact.norm()


def test_a_full_cache_takes_no_more() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        reader = Reader(tiny().build(0), 1, 8, steps=WORTH_IT)
        reader.read([list(range(8))])
        with pytest.raises(AssertionError, match="a cache of 8 is full"):
            reader.next([1])


@pytest.mark.usefixtures("threads")
def test_texts_do_not_depend_on_threads_or_on_other_rows() -> None:
    network, sampling = tiny(init={"std": 0.4}, context=32).build(0), Sampling(temperature=0, max_tokens=60)
    found = []
    with torch.autocast("cpu", torch.bfloat16):
        for threads in (1, 3):
            torch.set_num_threads(threads)
            rows = generate(network, [[5, 6], [7]], sampling, stop=set(), seed=0)  # beyond the context, read anew on the way
            found.append([row.tokens for row in rows])
        assert found[0] == found[1]
        assert list(stream(network, [7], sampling, stop=set(), seed=0)) == found[0][1]
        (best,) = search(network, [[5, 6]], Beam(beams=3, max_tokens=20), stop={0})
        assert best[0].tokens


def test_weights_are_those_of_the_moment() -> None:
    network, sampling = tiny(init={"std": 0.4}).build(0), Sampling(temperature=0, max_tokens=20)
    with torch.autocast("cpu", torch.bfloat16):
        first = generate(network, [[5, 6]], sampling, stop=set(), seed=0)
        with torch.no_grad():
            for tensor in network.parameters():
                tensor.add_(0.1)
        assert generate(network, [[5, 6]], sampling, stop=set(), seed=0) != first
