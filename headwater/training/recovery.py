"""How does a run go on when it is lost? From its last snapshot, behind the batches that it has read since, at a lower rate.

In: a run of which the guard refused too many steps in a row. Out: the run as it was, further on in its data.
"""

from __future__ import annotations

from headwater.core.artifact import Work
from headwater.core.progress import Bar
from headwater.training.config import GuardConfig
from headwater.training.guard import LostError
from headwater.training.run import Run, restore
from headwater.training.snapshots import Snapshots
from headwater.training.telemetry import Telemetry


def roll_back(
    run: Run, snapshots: Snapshots, config: GuardConfig, lost: LostError, work: Work, name: str, telemetry: Telemetry, bar: Bar
) -> None:
    """Go back to the newest snapshot, but not in the data. Raises `lost` where there is none, or no retry is left."""
    saved = snapshots.newest if run.rollbacks < config.retries else None
    if saved is None:
        raise lost
    step, refused = run.step, run.guard.refused
    restore(run, saved.parts, saved.state)
    run.guard.forgive(refused)
    run.rollbacks += 1
    run.rolled_to = run.step
    again = run.place - (step - run.step)
    telemetry.metric("rollback", step, to=run.step, number=run.rollbacks, reason=lost.reason, skipped_batches=[again, run.place])
    said = f"lost at step {step:,} because {lost.reason}; going on from step {run.step:,} with the batches after those read since"
    work.report.say(f"{name}: {said}", stage=name, step=run.step)
    bar.advance(run.step - step)
