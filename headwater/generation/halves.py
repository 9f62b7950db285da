"""How is one token a row read when weights and cache are bf16? Half the bytes of fp32 go through memory, and nothing else counts.

`Halved` is a matrix laid out once for the micro-kernel (core/brgemm.py), in bands of `BAND` columns that a thread reads from begin to end;
`Gathering` is attention over a cache of bf16 in one walk. Numbers between them stay fp32. The stream, biases, softmax and sums are thus as
exact as the network's; weights, keys, values and what a product takes are rounded to bf16 once.

Legend: B rows, O features out, I features in, H heads, J heads of keys, G = H/J, K head width, S slots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from headwater.core import brgemm
from headwater.core.brgemm import product, release
from headwater.core.compiled import njit
from headwater.core.lanes import LIKE_IEEE, LOG2_E, SUMS, exp2_at_most, half, wide
from headwater.core.team import Job, Kernel, argument, fetch, floats_at, halves_at, join, scratch, take, word_of, words_at

BAND = 64

# What stands where in a product's job.
_MULTIPLY, _RELEASE, _ROWS, _O, _I, _DEPTH, _COLUMNS, _PACKED, _BIAS, _SCRATCH, _ROOM, _X, _STREAM, _OUT = range(14)
# And in that of a gathering, after sizes, scale, strides and scratch memory.
_Q, _NEW_K, _NEW_V, _KEYS, _VALUES, _LENGTHS, _ADDED, _ADDED_HEAD, _TO = range(13, 22)
_F = np.float32


class Halved:
    """x Wᵀ + b of fp32 rows, W in bf16."""

    def __init__(self, weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> None:
        self.features = weight_OI.shape
        self.bias_O = None if bias_O is None else bias_O.float().contiguous()
        O, I = self.features  # noqa: E741
        whole = torch.zeros(-(-O // 16) * 16, -(-I // 2) * 2, dtype=torch.bfloat16)
        whole[:O, :I] = weight_OI
        self.columns, self.depth = whole.shape
        # Each band: pairs of inputs, below each other, for its columns.
        bands = [
            whole[first : first + BAND].view(-1, self.depth // 2, 2).transpose(0, 1).flatten() for first in range(0, self.columns, BAND)
        ]
        self.packed = torch.cat(bands)
        self.told, self.job = (0, 0), Job(_product_job, 0)

    def __call__(self, x_BI: torch.Tensor) -> torch.Tensor:
        return self._run(x_BI, None)

    def onto(self, stream_BO: torch.Tensor, x_BI: torch.Tensor) -> torch.Tensor:
        """Added to the stream."""
        return self._run(x_BI, stream_BO.contiguous())

    def _run(self, x_BI: torch.Tensor, stream_BO: torch.Tensor | None) -> torch.Tensor:
        assert x_BI.dtype == torch.float32 and (stream_BO is None or stream_BO.dtype == torch.float32)
        x_BI = x_BI.contiguous()
        job = self._for(x_BI.shape[0], torch.get_num_threads())
        out_BO = x_BI.new_empty(x_BI.shape[0], self.features[0])
        job.tell(_X, x_BI.data_ptr())
        job.tell(_STREAM, 0 if stream_BO is None else stream_BO.data_ptr())
        job.tell(_OUT, out_BO.data_ptr())
        job.run()
        return out_BO

    def _for(self, rows: int, threads: int) -> Job:
        if (rows, threads) != self.told:
            self.scratch, room = scratch(2 * rows * self.depth + 4 * rows * BAND)
            told = (*_found(), rows, *self.features, self.depth, self.columns, self.packed.data_ptr())
            bias = 0 if self.bias_O is None else self.bias_O.data_ptr()
            self.job = Job(_product_job, -(-self.columns // BAND), *told, bias, self.scratch.data_ptr(), room, 0, 0, 0)
            self.told = rows, threads
        return self.job


def _found() -> tuple[int, int]:
    found = brgemm.found()
    assert found is not None, "who lays out weights for it asks for the micro-kernel first"
    return found


class Gathering:
    """Attention of one token a row over a cache of bf16, which its own key and value are written to."""

    def __init__(self, heads: int, keys: int, width: int, scale: float) -> None:
        self.heads, self.keys, self.width, self.scale = heads, keys, width, scale
        self.lying: tuple[int, ...] = ()

    def __call__(
        self,
        q_BHK: torch.Tensor,
        k_BJK: torch.Tensor,
        v_BJK: torch.Tensor,
        keys_BJSK: torch.Tensor,
        values_BJSK: torch.Tensor,
        lengths_B: torch.Tensor,
        added_BHS: torch.Tensor | None,
    ) -> torch.Tensor:
        """`mixed_BD` of each row's slots up to number `lengths_B`, the new one. All fp32 but the cache; what is added to scores too."""
        assert all(x.stride(2) == 1 and x.dtype == torch.float32 for x in (q_BHK, k_BJK, v_BJK))
        assert all(x.is_contiguous() and x.dtype == torch.bfloat16 for x in (keys_BJSK, values_BJSK))
        assert added_BHS is None or (added_BHS.is_contiguous() and added_BHS.dtype == torch.float32)
        job = self._for(q_BHK, k_BJK, v_BJK, keys_BJSK)
        mixed_BD = q_BHK.new_empty(len(lengths_B), self.heads * self.width)
        for place, tensor in ((_Q, q_BHK), (_NEW_K, k_BJK), (_NEW_V, v_BJK), (_KEYS, keys_BJSK), (_VALUES, values_BJSK)):
            job.tell(place, tensor.data_ptr())
        job.tell(_LENGTHS, lengths_B.data_ptr())
        job.tell(_TO, mixed_BD.data_ptr())
        job.tell(_ADDED, 0 if added_BHS is None else added_BHS.data_ptr())
        job.tell(_ADDED_HEAD, 0 if added_BHS is None else added_BHS.shape[2])
        job.run()
        return mixed_BD

    def _for(self, q_BHK: torch.Tensor, k_BJK: torch.Tensor, v_BJK: torch.Tensor, keys_BJSK: torch.Tensor) -> Job:
        """The job for tensors that lie like these: bytes from row to row and from head to head."""
        strides = [4 * stride for x in (q_BHK, k_BJK, v_BJK) for stride in x.stride()[:2]]
        lying = (len(q_BHK), keys_BJSK.shape[2], torch.get_num_threads(), *strides)
        if lying != self.lying:
            (rows, slots), self.lying = lying[:2], lying
            self.scratch, room = scratch(4 * (slots + self.width))
            sizes = (self.keys, self.heads // self.keys, self.width, slots, word_of(self.scale))
            self.job = Job(_gather_job, rows * self.keys, *sizes, *strides, self.scratch.data_ptr(), room, *[0] * 9)
        return self.job


@njit(**LIKE_IEEE)
def _rounded(x_N: np.ndarray, out_N: np.ndarray) -> None:
    for at in range(len(x_N)):
        out_N[at] = half(x_N[at])


@njit(**LIKE_IEEE)
def _sum_into(x_N: np.ndarray, out_N: np.ndarray) -> None:
    for at in range(len(out_N)):
        out_N[at] += x_N[at]


@Kernel
def _product_job(job: Any) -> None:
    rows, O, I, depth, columns = (  # noqa: E741
        argument(job, _ROWS), argument(job, _O), argument(job, _I), argument(job, _DEPTH), argument(job, _COLUMNS)
    )  # fmt: skip
    packed, bias, stream, out = argument(job, _PACKED), argument(job, _BIAS), argument(job, _STREAM), argument(job, _OUT)
    halves = argument(job, _SCRATCH) + join(job) * argument(job, _ROOM)
    sums = halves + 2 * rows * depth
    share = take(job)
    if share >= 0:
        for row in range(rows):
            _rounded(floats_at(argument(job, _X) + 4 * row * I, I), halves_at(halves + 2 * row * depth, I))
            halves_at(halves + 2 * row * depth, depth)[I:] = 0
    while share >= 0:
        first = share * BAND
        few = min(BAND, columns - first)
        product(argument(job, _MULTIPLY), 0, rows, few, depth, depth, few, few, halves, packed + 2 * first * depth, sums)
        real = min(few, O - first)
        for row in range(rows):
            to = floats_at(out + 4 * (row * O + first), real)
            to[:] = floats_at(sums + 4 * row * few, real)
            if bias != 0:
                _sum_into(floats_at(bias + 4 * first, real), to)
            if stream != 0:
                _sum_into(floats_at(stream + 4 * (row * O + first), real), to)
        share = take(job)
    release(argument(job, _RELEASE))


@njit(**SUMS)
def _score(q_K: np.ndarray, key_K: np.ndarray) -> np.float32:
    total = _F(0.0)
    for k in range(len(q_K)):
        total += q_K[k] * wide(key_K[k])
    return total


@njit(**LIKE_IEEE)
def _weigh(weight: np.float32, value_K: np.ndarray, sum_K: np.ndarray) -> None:
    for k in range(len(sum_K)):
        sum_K[k] += weight * wide(value_K[k])


@Kernel
def _gather_job(job: Any) -> None:
    J, G, K, S = argument(job, 0), argument(job, 1), argument(job, 2), argument(job, 3)
    scale = np.int32(argument(job, 4)).view(np.float32)
    scores = argument(job, 11) + join(job) * argument(job, 12)
    share = take(job)
    while share >= 0:
        b, j = share // J, share % J
        own = int(words_at(argument(job, _LENGTHS) + 8 * b, 2)[0])  # the lower half of a whole number
        keys, values = argument(job, _KEYS) + 2 * share * S * K, argument(job, _VALUES) + 2 * share * S * K
        fetch(keys, 2 * K, own, 2 * K)
        fetch(values, 2 * K, own, 2 * K)
        _rounded(floats_at(argument(job, _NEW_K) + b * argument(job, 7) + j * argument(job, 8), K), halves_at(keys + 2 * own * K, K))
        _rounded(floats_at(argument(job, _NEW_V) + b * argument(job, 9) + j * argument(job, 10), K), halves_at(values + 2 * own * K, K))
        scores_S, sum_K = floats_at(scores, own + 1), floats_at(scores + 4 * S, K)
        for h in range(j * G, j * G + G):
            q_K = floats_at(argument(job, _Q) + b * argument(job, 5) + h * argument(job, 6), K)
            for s in range(own + 1):
                scores_S[s] = scale * _score(q_K, halves_at(keys + 2 * s * K, K))
            if argument(job, _ADDED) != 0:
                _sum_into(floats_at(argument(job, _ADDED) + 4 * (b * J * G + h) * argument(job, _ADDED_HEAD), own + 1), scores_S)
            most, total = scores_S[0], _F(0.0)
            for s in range(own + 1):
                most = most if most > scores_S[s] else scores_S[s]
            for s in range(own + 1):
                scores_S[s] = exp2_at_most((scores_S[s] - most) * LOG2_E)
            sum_K[:] = _F(0.0)
            for s in range(own + 1):
                total += scores_S[s]
                _weigh(scores_S[s], halves_at(values + 2 * s * K, K), sum_K)
            mixed_K = floats_at(argument(job, _TO) + 4 * (b * J * G + h) * K, K)
            for k in range(K):
                mixed_K[k] = sum_K[k] / total
        share = take(job)
