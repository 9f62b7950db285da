"""Does this machine compute rightly? It proves so before it joins the others; one that does not stays outside until somebody looks.

    admit(root)         matrix products and memory of this process, against what is known; before it joins
    together(group)     collectives, against what they must come to; when all have joined

Products are of whole numbers so small that every sum is exact in fp32, and in bf16 with fp32 sums: the answer is known to the bit. It
takes about 0.2 s. What fails is named, and a file `quarantine/HOST.json` in the workspace keeps the machine out of the next attempts
(of torchrun's restarts as well) until it is deleted.
"""

from __future__ import annotations

import datetime
import os
import socket
from pathlib import Path

import torch

from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cpu_has_bf16
from headwater.core.storage import read_json, write_json
from headwater.parallel.group import Group
from headwater.parallel.launch import UNHEALTHY

SIDE = 512  # of the matrices
MEMORY = 32 << 20  # bytes written and read with each pattern
# Every bit at 0 and at 1, and next to its opposite; places, so that two addresses that are one are seen.
PATTERNS = (0x00, 0xFF, 0x55, 0xAA)


class UnhealthyError(HeadwaterError):
    """A machine that must not join."""

    code = UNHEALTHY


def admit(root: Path, host: str | None = None) -> None:
    """Raise UnhealthyError when this machine fails, or failed before."""
    host = host or socket.gethostname()
    file = root / "quarantine" / f"{host}.json"
    mend = f"have it repaired, then delete {file}"
    if file.is_file():
        known = read_json(file)
        said = known.get("fault", "for a reason that the file does not tell") if isinstance(known, dict) else "for some reason"
        raise UnhealthyError(f"this machine is in quarantine: {said}", where=host, mend=mend)
    if (fault := product_fault() or memory_fault()) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_json(file, {"host": host, "fault": fault, "time": now, "rank": os.environ.get("RANK", "0")})
        raise UnhealthyError(f"this machine does not join: {fault}", where=host, mend=mend)


def together(group: Group) -> None:
    """Raise UnhealthyError when what processes send each other does not arrive."""
    ranks = range(group.size)
    (total,) = group.sums([float(group.rank + 1)])
    if total != sum(rank + 1 for rank in ranks):
        raise UnhealthyError(f"the sum over {group.size} processes is wrong ({total:g})", where="parallel", mend="look at the network")
    alone = [group.any(group.rank == rank) for rank in ranks]
    if not all(alone) or group.any(False):
        raise UnhealthyError("processes do not hear each other", where="parallel", mend="look at the network")
    text = "".join(map(chr, range(32, 0x2000)))
    if group.told(lambda: text) != text:
        raise UnhealthyError("what the leader says arrives changed", where="parallel", mend="look at the network")


def product_fault() -> str | None:
    """A matrix product that is not what it must be."""
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    for dtype in (torch.float32, torch.bfloat16) if device.type == "cuda" or cpu_has_bf16() else (torch.float32,):
        left, right, answer = known_product(SIDE)
        found = product(left.to(device, dtype), right.to(device, dtype)).cpu()
        if not torch.equal(found.double(), answer):
            wrong = int((found.double() != answer).sum())
            return f"{wrong:,} of {answer.numel():,} elements of a {str(dtype).removeprefix('torch.')} matrix product are wrong"
    return None


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return left @ right


def known_product(side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two matrices and their product, in fp64, by a closed form: whole numbers between -2 and 2, and results that bf16 can hold.

    left[i, k] = ((i + k) mod 3) - 1, right[k, j] = c(k) · s(j) with c(k) = ((k mod 3) - 1) and s(j) = 1 or 2. Over each full
    period of three k the sum of (((i + k) mod 3) - 1) · ((k mod 3) - 1) is 2 for i mod 3 = 0, else -1; `side` is cut to a multiple of
    3 · 2^n, so that sums are a small number times a power of two.
    """
    periods = 1 << ((side // 3).bit_length() - 1)
    place = torch.arange(side, dtype=torch.float64)
    inner = torch.arange(3 * periods, dtype=torch.float64)
    left = ((place[:, None] + inner) % 3) - 1
    right = ((inner % 3) - 1)[:, None] * (1 + place % 2)
    answer = torch.where(place % 3 == 0, 2.0, -1.0)[:, None] * periods * (1 + place % 2)
    return left, right, answer


def write(block: torch.Tensor, pattern: int) -> None:
    block.fill_(pattern)


def memory_fault() -> str | None:
    """A byte or a place that does not keep what was written."""
    block = torch.empty(MEMORY, dtype=torch.uint8)
    for pattern in PATTERNS:
        write(block, pattern)
        if (wrong := int((block != pattern).sum())) > 0:
            return f"{wrong:,} of {MEMORY:,} bytes of memory did not keep the pattern {pattern:#04x}"
    words = block.view(torch.int64)
    torch.arange(len(words), out=words)
    if (wrong := int((words != torch.arange(len(words))).sum())) > 0:
        return f"{wrong:,} of {len(words):,} words of memory did not keep their own number"
    return None
