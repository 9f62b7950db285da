"""How many rows of a batch fit into memory at once? Tried once, before a run's first step, and kept in its checkpoints.

In: the network, the loss and a batch of the run as they are, how many rows a step takes, how much memory is free. Out: rows at once,
and one line that says why. A trial is a forward and a backward pass over so many rows, of which the most memory is measured; it leaves no
trace (no gradient, count or random draw), so a run of which the whole batch fits ends with the bits of one that did not ask.

    rows       1, 2, 4, … until it is plain what all of them take, at as much for each as for those that were tried (what passes share
               counts as theirs, so this is rather too much)
    free       what the machine (or the container) has left, less the moments, averages and snapshots that only come with the first
               steps, less a share for what nobody foresees

While a trial runs the process may take no more than is free: a row too many is refused by the allocator, not ended by the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.hardware import available_bytes, data_bytes, memory_bytes, peak_memory_bytes, reset_peak_memory, resident_bytes
from headwater.model.network import Network
from headwater.model.recompute import without_trace
from headwater.parallel.group import Group
from headwater.tokens.batch import Batch
from headwater.training.config import LastSteps, Training
from headwater.training.precision import Precision, autocast
from headwater.training.run import Decided
from headwater.training.step import Data, Loss
from headwater.training.telemetry import Told

SPARE = 0.15  # of what is free: other processes, the allocator's waste
PLAIN = 1 / 8  # of what may be taken: above it a trial's memory is no longer noise
AT_MOST_NUMBERS = 2  # that an optimizer keeps for a weight: Adam's two moments are the most of all of them
UNSURE_TOKENS = 4096  # read at once without gradients where nobody has said how much fits: no trial is made for them
SLACK = 64 << 20  # threads' stacks and the like, which are no activations


@dataclass(frozen=True)
class Fits:
    """`rows` at once, in so many `passes`; bytes that a row takes, and that were left for all of them."""

    rows: int
    passes: int
    row_bytes: int
    free_bytes: int


def fit(
    network: Network, data: Data, loss: Loss, config: Training, decided: Decided, group: Group, work: Work, name: str, told: Told | None
) -> int:
    """Rows at once of this run, said in one line: see `decide`."""
    batches = [data.batch(place) for place in sorted({0, config.steps - 1})]  # where batches or rows grow, the last are the largest
    fits = decide(network, loss, batches, config, decided.precision, group)
    if told is not None:
        told.take()  # what trials noted is nobody's
    of = "all rows" if fits.passes == 1 else f"{fits.rows:,} rows ({fits.passes:,} passes a step)"
    line = f"{of} at once: one takes {fits.row_bytes / 1e6:,.1f} MB, and {fits.free_bytes / 1e6:,.0f} MB are left for them"
    work.report.say(f"{name}: {line}", stage=name, micro_batch=fits.rows)
    return fits.rows


def decide(
    network: Network,
    loss: Loss,
    batches: Sequence[Batch],
    config: Training,
    precision: Precision,
    group: Group,
    free: int | None = None,
) -> Fits:
    """Rows at once, the same on all processes of the group. Of the `batches` that are to be fitted the one with the longest rows is tried.

    `free` bytes are measured where not given. Raises HeadwaterError where not even one row fits.
    """
    shares = [group.share(batch) for batch in batches]
    tried = max(shares, key=lambda batch: batch.size / len(batch))
    free = _free() if free is None else free
    limit = int(-_most(group, to_come(network, config) - (1 - SPARE) * free))

    def bytes_of(rows: int) -> int:
        mine = _tried(network, loss, next(iter(tried.micro(rows))), precision, limit)
        return -1 if group.any(mine is None) else int(_most(group, mine or 0))

    with without_trace(network), torch.random.fork_rng(devices=[]):
        return fitting(max(len(batch) for batch in shares), len(tried), limit, bytes_of)


def fitting(rows: int, there: int, limit: int, bytes_of: Callable[[int], int]) -> Fits:
    """The most of `rows` that take at most `limit` bytes, dealt evenly to passes; `bytes_of` measures some rows, as many as are `there`
    at most, and says -1 where they do not fit.

    Raises HeadwaterError where not even one row fits.
    """
    if limit > 0:
        bytes_of(1)  # the first pass of a process also loads what later ones share
    count, taken, most = 1, bytes_of(1) if limit > 0 else -1, rows
    if not 0 <= taken <= limit:
        raise HeadwaterError(
            f"a single row takes more memory than the {max(0, limit) / 1e9:.2f} GB that are left for it",
            where="micro_batch",
            mend="shorten model.context, forget what can be made anew with activations: recompute, or take a smaller model",
        )
    while count < min(rows, there) and taken * rows > limit * count / 2 and (count == 1 or taken < limit * PLAIN):
        more = min(2 * count, rows, there)
        measured = bytes_of(more)
        if measured < 0:
            most = more - 1  # what was refused is not asked for again
            break
        count, taken = more, measured
    row = max(1, taken // count)
    passes = math.ceil(rows / max(1, min(most, limit // row)))
    return Fits(math.ceil(rows / passes), passes, row, limit)


def to_come(network: nn.Module, config: Training) -> int:
    """Bytes that a run will hold beside its passes and does not hold before its first step: gradients, moments, snapshots.

    Two snapshots, because the newest is whole before the one before it goes, and one is perhaps being written.
    """
    weights = sum(_bytes(parameter) for parameter in network.parameters())
    learned = sum(_bytes(parameter) for parameter in network.parameters() if parameter.requires_grad)
    averages = learned if config.average is not None else 0
    best = weights if config.stopping.keep == "best" or config.stopping.patience is not None else 0
    snapshot = weights + AT_MOST_NUMBERS * learned + averages + best
    summed = learned if isinstance(config.average, LastSteps) else 0
    return learned + AT_MOST_NUMBERS * learned + summed + best + 2 * snapshot


def unlearned_rows(micro_batch: int | str | None, rows: int, length: int) -> int:
    """Rows at once of a pass without gradients: those that are learned at once, where somebody has said so; else all of a step's, of
    which only so many as are surely held where memory is asked."""
    if isinstance(micro_batch, int):
        return micro_batch
    return rows if micro_batch is None else max(1, min(rows, UNSURE_TOKENS // length))


def _tried(network: Network, loss: Loss, batch: Batch, precision: Precision, limit: int) -> int | None:
    """The most bytes that a pass over the batch takes beside its gradients; None where it needs more than `limit` and some slack."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        _give_back()
        before = _held()
        reset_peak_memory()
        with _no_more_than(limit):
            with autocast(precision, network.device):
                total = loss(network, batch) / batch.weight
            total.backward()  # type: ignore[no-untyped-call]
        return max(0, peak_memory_bytes() - before)
    except (RuntimeError, MemoryError) as error:
        if not _is_of_memory(error):
            raise
        return None
    finally:
        for parameter in parameters:
            parameter.grad = None
        _give_back()


@contextlib.contextmanager
def _no_more_than(limit: int) -> Iterator[None]:
    """Let the process's data grow by `limit` bytes and some slack at most (Linux; elsewhere by whatever it can)."""
    data = data_bytes()
    if data is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data + limit + SLACK, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _is_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "could not create a primitive", "out of memory")
    )


def _held() -> int:
    """Memory that the process holds now."""
    held = resident_bytes()
    return peak_memory_bytes() if held is None else held


def _free() -> int:
    """Memory that this process could still take."""
    left = memory_bytes() - _held()
    available = available_bytes()
    return left if available is None else min(left, available)


def _give_back() -> None:
    """Give freed memory back to the system, so that it does not hide what the next trial takes (glibc; elsewhere it stays)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _most(group: Group, value: float) -> float:
    """The largest over the group's processes."""
    return max(group.sums([value if rank == group.rank else 0.0 for rank in range(group.size)]))
