"""A fingerprint sees every bit, and whoever is alone with his is named."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.parallel.replicas import agree_on, fingerprint


@given(st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.float64]))
def test_every_single_bit_counts(length: int, place: int, dtype: torch.dtype) -> None:
    tensor = torch.arange(length).to(dtype)
    before = int(fingerprint(tensor))
    bits = tensor.view(torch.uint8)
    bits[place % len(bits)] ^= 1 << (place % 8)
    assert int(fingerprint(tensor)) != before


def test_bits_count_and_not_values() -> None:
    zero = torch.zeros(3)
    assert int(fingerprint(zero)) != int(fingerprint(-zero))
    nan = torch.full((3,), float("nan"))
    assert int(fingerprint(nan)) == int(fingerprint(nan.clone()))
    assert int(fingerprint(torch.tensor([1.0, 2.0]))) != int(fingerprint(torch.tensor([2.0, 1.0])))
    assert int(fingerprint(torch.empty(0))) == 0


def test_the_layout_in_memory_does_not_count() -> None:
    tensor = torch.randn(4, 6)
    assert int(fingerprint(tensor.t())) == int(fingerprint(tensor.t().contiguous()))


def test_the_first_tensor_and_the_odd_process_are_named() -> None:
    agree_on(["a", "b"], [], range(3), 7)
    agree_on(["a", "b"], [[1, 2], [1, 2]], range(2), 7)
    with pytest.raises(HeadwaterError, match="after step 7 process 6 has other weights than its replicas in 'b'"):
        agree_on(["a", "b"], [[1, 2], [1, 3], [1, 2]], [4, 6, 8], 7)
    with pytest.raises(HeadwaterError, match="processes 1, 2 have other weights"):
        agree_on(["a"], [[1], [2], [3], [1], [1]], range(5), 7)
    with pytest.raises(HeadwaterError, match="one of the processes 0, 1 has"):
        agree_on(["a"], [[1], [2]], range(2), 7)
