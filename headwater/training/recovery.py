"""How does a run go on when it is lost? From its last snapshot, behind the batches that it has read since, at a lower rate.

In: a run of which the guard refused too many steps in a row. Out: the run as it was, further on in its data.
"""

from __future__ import annotations

from headwater.core.artifact import Work
from headwater.core.progress import Bar
from headwater.training.config import GuardConfig
from headwater.training.guard import LostError
from headwater.training.incidents import Incidents
from headwater.training.keeping import Keeping
from headwater.training.run import Run, restore
from headwater.training.telemetry import Telemetry


def roll_back(
    run: Run,
    keeping: Keeping,
    config: GuardConfig,
    lost: LostError,
    work: Work,
    name: str,
    telemetry: Telemetry,
    bar: Bar,
    incidents: Incidents,
) -> None:
    """Go back to the newest regular state: not in the data, or in the data as well where single documents can be masked in them.

    Raises `lost` where there is no such state, or no retry is left.
    """
    saved = keeping.newest if run.rollbacks < config.retries else None
    if saved is None:
        incidents.lost(run)
        raise lost
    step, guard = run.step, run.guard.state()
    restore(run, saved.parts, saved.state)
    run.guard.forgive(guard)
    run.rollbacks += 1
    run.rolled_to = run.step
    again = run.place - (step - run.step)
    masked = incidents.suspects()
    if masked:
        run.place, run.guard.masked = again, sorted({*run.guard.masked, *masked})
    skipped = [again, run.place]
    what = {"masked": masked} if masked else {"skipped_batches": skipped}
    telemetry.metric("rollback", step, to=run.step, number=run.rollbacks, reason=lost.reason, **what)
    incidents.rolled_back(run, step, masked, skipped)
    how = f"without {len(masked)} documents" if masked else "with the batches after those read since"
    said = f"lost at step {step:,} because {lost.reason}; going on from step {run.step:,} {how}"
    work.report.say(f"{name}: {said}", stage=name, step=run.step)
    bar.advance(run.step - step)
