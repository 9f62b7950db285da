"""Do replicas hold the same? A 64-bit fingerprint of every tensor, compared over the processes that should agree.

In: names and tensors (or words) of this process. Out: nothing, or a HeadwaterError that names the tensor and the process that differs.

What is sent as long as all agree is one number: two reductions of it, the least and the most. Only when these differ does everybody send
the fingerprint of each tensor. A fingerprint is read over the bits, so that it sees what comparing values does not (a NaN, a -0).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist

from headwater.core.errors import HeadwaterError

MIX = 0x9E3779B97F4A7C15 - (1 << 64)  # 2^64 over the golden ratio, as int64: odd, so that no factor loses a bit


@torch.no_grad()
def fingerprint(tensor: torch.Tensor) -> torch.Tensor:
    """64 bits (int64) of a tensor's bits; a changed bit always changes them, and tensors in another order almost surely.

    Each 32-bit word is weighted by an odd number of its place, and the products are added modulo 2^64.
    """
    if not tensor.numel():
        return torch.zeros((), dtype=torch.int64, device=tensor.device)
    flat = tensor.detach().contiguous().view(-1)
    if flat.element_size() not in (4, 8):
        flat = flat.view(torch.uint8) if flat.element_size() == 1 else flat.view(torch.int16)
        words = flat.to(torch.int32)
    else:
        words = flat.view(torch.int32)
    places = torch.arange(len(words), device=words.device)
    return (words.to(torch.int64) * (2 * places + 1).mul_(MIX)).sum()


def same_tensors(
    names: Sequence[str], tensors: Sequence[torch.Tensor], group: dist.ProcessGroup | None
) -> tuple[Sequence[str], list[list[int]]]:
    """Names, and the fingerprints of each process where they do not all agree; else an empty list."""
    if not tensors:
        return names, []
    own_P = torch.stack([fingerprint(tensor) for tensor in tensors])
    if _agrees(fingerprint(own_P), group):
        return names, []
    return names, _all(own_P, group)


def agree_on(names: Sequence[str], prints: list[list[int]], ranks: Sequence[int], step: int) -> None:
    """Raise HeadwaterError for the first tensor of which processes have different bits."""
    if not prints:
        return
    for place, name in enumerate(names):
        if odd := _odd([own[place] for own in prints], ranks):
            raise HeadwaterError(
                f"after step {step:,} {odd} other weights than its replicas in '{name}'",
                where="parallel", mend="its machine's memory may be failing: start again from the last checkpoint without it",
            )  # fmt: skip


def same_said(words: Mapping[str, Any], rank: int, size: int) -> None:
    """Raise HeadwaterError when processes say different things of their run."""
    own_W = torch.tensor([_word(value) for value in words.values()])
    if _agrees(fingerprint(own_W), dist.group.WORLD):
        return
    said = _all(own_W, dist.group.WORLD)
    for place, name in enumerate(words):
        if odd := _odd([own[place] for own in said], range(size)):
            raise HeadwaterError(
                f"at step {words['step']:,} {odd} another '{name}' than the others",
                where="parallel", mend="start again from the last checkpoint, and report it if it comes again",
            )  # fmt: skip


def _word(value: Any) -> int:
    """63 bits of anything that JSON can say."""
    return int.from_bytes(hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).digest(), "little") >> 1


def _agrees(value: torch.Tensor, group: dist.ProcessGroup | None) -> bool:
    least, most = value.clone(), value.clone()
    dist.all_reduce(least, dist.ReduceOp.MIN, group=group)
    dist.all_reduce(most, dist.ReduceOp.MAX, group=group)
    return bool(least == most)


def _all(own: torch.Tensor, group: dist.ProcessGroup | None) -> list[list[int]]:
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(gathered, own, group=group)
    return [each.tolist() for each in gathered]


def _odd(values: Sequence[int], ranks: Sequence[int]) -> str:
    """`process 3 has`, of those who are not with most; empty where all agree. Of two who differ nobody knows who is right."""
    counts = Counter(values)
    if len(counts) == 1:
        return ""
    [(usual, votes), *_] = counts.most_common()
    away = [str(rank) for rank, value in zip(ranks, values, strict=True) if value != usual]
    if votes * 2 <= len(values):
        return f"one of the processes {', '.join(str(rank) for rank in ranks)} has"
    return f"process {away[0]} has" if len(away) == 1 else f"processes {', '.join(away)} have"
