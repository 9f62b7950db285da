"""Is what the next update starts from what the last one left? A bit that flips in memory between two steps is found and mended.

In: a run after an update (`note`), before the next one or before it is kept (`check`). Out: FlippedError with the name of a tensor that
changed in between; then `reload` takes the run back to its newest snapshot and through the same batches again at the same rates. The
fault was the machine's and not the data's: nothing is skipped, nothing lowered, and the run ends with the bits of one that had no fault.
What happened stands in `journal/incidents/`, outside of what is hashed.

A tensor's fingerprint is the sum of its bytes as 64-bit integers, modulo 2^64: a single flipped bit changes one summand by ±2^k, which no
wrap can hide. (Sums of 32-bit integers widened to 64 took eleven times as long.) A pass over 12 M fp32 weights takes 2.7 ms on two quiet
cores, and there are two a step. With AdamW, of the processor time of a bf16 step (12 M parameters, 16 rows of 256) the weights alone cost
0.9 %, all state at every step 2.8 %; so moments and averages are proven at every `verify_moments_every`-th step only, which makes 1.2 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Bar
from headwater.parallel.group import Group
from headwater.training.config import GuardConfig
from headwater.training.incidents import Incidents
from headwater.training.run import Run, resume
from headwater.training.snapshots import Saved
from headwater.training.telemetry import Telemetry

ELSEWHERE = "a tensor of another process"


class FlippedError(HeadwaterError):
    """The tensor changed although no update changed it."""

    def __init__(self, tensor: str, step: int) -> None:
        self.tensor, self.step = tensor, step
        super().__init__(
            f"the machine's memory is failing: {tensor} changed after step {step:,} though nothing wrote to it",
            mend="run the same command again on another machine: it goes on from its last checkpoint",
        )


class Integrity:
    """Fingerprints of a run's state as the last step left it, and as its newest snapshot has it."""

    def __init__(self, config: GuardConfig, group: Group) -> None:
        self.config, self.group = config, group
        self.known: dict[str, tuple[torch.Tensor, int]] = {}
        self.saved: Saved | None = None
        """What a run would go back to, where it is in memory; of that on disk there are checksums."""
        self.expected: dict[str, int] = {}
        self.reloads = 0
        """Of that state."""

    def note(self, run: Run) -> None:
        """The state of the run is right as it is now."""
        tensors = _weights(run) if _is_due(run.step, self.config.verify_every) else {}
        if self.config.verify_every and _is_due(run.step, self.config.verify_moments_every):
            tensors |= _moments(run)
        self.known = {name: (tensor, fingerprint(tensor)) for name, tensor in tensors.items()}

    def check(self, run: Run) -> None:
        """Raise FlippedError when the state, on this process or another, is not what `note` saw."""
        if not self.config.verify_every:
            return
        now = {**_weights(run), **_moments(run)} if self.known else {}
        # A tensor that another has taken the place of (the moments of an optimizer that was steered away from) is not looked for.
        same = {name: expected for name, (tensor, expected) in self.known.items() if now.get(name) is tensor}
        name = _differing(now, same)
        if self.group.any(name is not None):
            raise FlippedError(name or ELSEWHERE, run.step)

    def taken(self, saved: Saved | None) -> None:
        """This is now what a run would go back to."""
        self.saved, self.reloads = saved, 0
        self.expected = {name: fingerprint(tensor) for name, tensor in self._held().items()}

    def sound(self) -> None:
        """Raise FlippedError when what the run would go back to has changed in memory as well."""
        name = _differing(self._held(), self.expected)
        if self.group.any(name is not None):
            raise FlippedError(f"{name or ELSEWHERE}, of the snapshot,", self.saved.step if self.saved is not None else 0)

    def _held(self) -> dict[str, torch.Tensor]:
        if self.saved is None or not self.config.verify_every:
            return {}
        return {f"{part} {name}": tensor for part, tensors in self.saved.parts.items() for name, tensor in tensors.items()}


def reload(
    run: Run,
    integrity: Integrity,
    saved: Saved | None,
    flipped: FlippedError,
    work: Work,
    name: str,
    logs: Telemetry,
    bar: Bar,
    incidents: Incidents,
) -> bool:
    """Go back to the snapshot, in the data and in the logs as well; what is due from before is not. Raises `flipped` when that has not
    helped often enough."""
    if saved is None or integrity.reloads >= integrity.config.reloads:
        incidents.failing(flipped.step, flipped.tensor)
        raise flipped
    integrity.sound()
    _, lengths = resume(run, saved.parts, saved.state)
    integrity.note(run)
    integrity.reloads += 1
    logs.cut(lengths)
    incidents.cut(run)
    incidents.reloaded(run, flipped.step, flipped.tensor)
    said = f"a bit of {flipped.tensor} flipped in memory after step {flipped.step:,}; going through the steps after {run.step:,} once more"
    work.report.say(f"{name}: {said}", stage=name, step=run.step, tensor=flipped.tensor)
    bar.advance(run.step - flipped.step)
    return False


@torch.no_grad()
def fingerprint(tensor: torch.Tensor) -> int:
    """The sum of the bytes as 64-bit integers, modulo 2^64; of a sharded tensor, of this process's part."""
    local: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    flat = local.detach().contiguous().view(-1)
    if flat.storage_offset() * flat.element_size() % 8:
        flat = flat.clone()
    data = flat.view(torch.uint8)
    whole = data.numel() // 8 * 8
    total = int(data[:whole].view(torch.int64).sum())
    for byte in data[whole:].tolist():  # at most seven
        total = total * 257 + byte
    return total


def _differing(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, int]) -> str | None:
    """Name of a tensor that does not have its fingerprint."""
    return next((name for name, value in expected.items() if fingerprint(tensors[name]) != value), None)


def _weights(run: Run) -> dict[str, torch.Tensor]:
    return dict(run.network.named_parameters())


def _moments(run: Run) -> dict[str, torch.Tensor]:
    """What an update depends on or a run ends with beside the weights: moments, step counts, the mean of the weights."""
    return {**_named("moment", run.optimizers.state().items()), **_named("average", run.average.state().items())}


def _named(kind: str, items: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{kind} {name}": tensor for name, tensor in items}


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
