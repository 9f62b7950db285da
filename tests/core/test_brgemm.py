"""headwater/core/brgemm.py: products and packings against torch's own, from numbers that fp32 holds exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from headwater.core import brgemm
from headwater.core.brgemm import in_pairs, product, release, turned, turned_in_pairs
from headwater.core.team import Kernel, argument, run, take

pytestmark = pytest.mark.skipif(brgemm.found() is None, reason="no AMX here, or a torch that does not export its micro-kernel")


@Kernel
def _multiply(job: Any) -> None:
    if take(job) >= 0:
        M, N, K = argument(job, 2), argument(job, 3), argument(job, 4)
        product(argument(job, 0), argument(job, 8), M, N, K, K, N, N, argument(job, 5), argument(job, 6), argument(job, 7))
        release(argument(job, 1))


def whole(*shape: int) -> torch.Tensor:
    return torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(sum(shape))).bfloat16()


@pytest.mark.parametrize("add", [0, 1])
@pytest.mark.parametrize("size", [(1, 16, 2), (64, 64, 64), (33, 48, 130), (16, 256, 512)], ids=str)
def test_products_are_exact(size: tuple[int, int, int], add: int) -> None:
    M, N, K = size
    a_MK, b_KN, c_MN = whole(M, K), whole(K, N), torch.full((M, N), 7.0)
    pairs = torch.empty(K * N, dtype=torch.bfloat16)
    in_pairs(b_KN.data_ptr(), 2 * N, K, N, pairs.data_ptr())
    assert brgemm.found() is not None
    run(_multiply, 1, *(brgemm.found() or ()), M, N, K, a_MK, pairs, c_MN, add)
    assert torch.equal(c_MN, a_MK.float() @ b_KN.float() + 7 * add)
    torch.testing.assert_close((a_MK @ b_KN).float(), a_MK.float() @ b_KN.float(), rtol=2**-8, atol=0)  # torch's own, after ours


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """What was found is asked again within the test, and after it."""
    brgemm._known.cache_clear()
    yield
    brgemm._known.cache_clear()


@pytest.mark.usefixtures("asked_anew")
def test_it_is_found_under_autocast() -> None:
    """The known product must not be computed by what autocast rounds: it once was, and the kernel was never used in training."""
    with torch.autocast("cpu", torch.bfloat16):
        assert brgemm.found() is not None


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("name", [brgemm._RELEASE, "no_such_function"])
def test_a_wrong_product_is_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch whose function of this name computes something else, or is not there."""
    monkeypatch.setattr(brgemm, "_MULTIPLY", name)
    assert brgemm.found() is None


def test_it_is_not_used_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.backends.mkldnn.flags(enabled=False):  # type: ignore[no-untyped-call]
        assert brgemm.found() is None
    assert brgemm.found() is not None
    monkeypatch.setattr(brgemm, "gathered", lambda: None)
    assert brgemm.found() is None


@pytest.mark.parametrize("rows", [2, 18, 64])
def test_packings(rows: int) -> None:
    x = whole(rows, 100)[:, 4:36]
    line, out = 2 * x.stride(0), torch.zeros(32, rows + 6, dtype=torch.bfloat16)
    turned(x.data_ptr(), line, rows, 32, out.data_ptr(), 2 * (rows + 6))
    assert torch.equal(out[:, :rows], x.T)
    pairs = torch.zeros(rows // 2, 32, 2, dtype=torch.bfloat16)
    in_pairs(x.data_ptr(), line, rows, 32, pairs.data_ptr())
    assert torch.equal(pairs, x.reshape(rows // 2, 2, 32).transpose(1, 2))
    both = torch.zeros(16, rows + 3, 2, dtype=torch.bfloat16)
    turned_in_pairs(x.data_ptr(), line, rows, 32, both.data_ptr(), 4 * (rows + 3))
    assert torch.equal(both[:, :rows], x.T.reshape(16, 2, rows).transpose(1, 2))
