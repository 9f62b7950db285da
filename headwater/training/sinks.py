"""Who is told of a run beside its own files? Weights & Biases, MLflow, Trackio, each only where the recipe names it.

In: `watch.sinks` and figures by name at a step. Out: the same figures there. Their packages are extras, and are imported only when
asked for; one that is missing is found by `check`, before anything is trained. Nothing is sent anywhere unless the recipe says so
(`mode: online`, `uri:`, `space:`), and what the packages would report of their own use is switched off.

A sink is fed by a thread of its own: one that fails or falls behind is left out, with a sentence, and the run goes on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.training.watch_config import MLflow, SinkConfig, Trackio, WandB

PACKAGES = {"wandb": ("wandb",), "mlflow": ("mlflow", "sqlalchemy", "alembic"), "trackio": ("trackio",)}  # by kind, which is also the extra
QUIET = {
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
BEHIND = 1000  # rows that may wait for a sink
LAST_SECONDS = 30.0  # in which a sink may write what is left when the run ends


@dataclass(frozen=True)
class About:
    """What a sink is told of the run itself: its stage, a name that no other run has, the journal, its settings; whether it begins."""

    stage: str
    id: str
    journal: Path
    settings: Mapping[str, Any]
    begins: bool = True


class Sink(Protocol):
    def log(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def check(sinks: Sequence[SinkConfig]) -> None:
    """Raise HeadwaterError naming the extra of the first sink whose package is not there."""
    for sink in sinks:
        if any(package not in sys.modules and importlib.util.find_spec(package) is None for package in PACKAGES[sink.kind]):
            raise HeadwaterError(
                f"the sink '{sink.kind}' needs a package that is not installed",
                where="watch.sinks",
                mend=f"pip install 'headwater[{sink.kind}]', or leave the sink out",
            )


class Sinks:
    """All sinks of a run. Raises HeadwaterError when a package is missing, or where one cannot be opened as the run begins."""

    def __init__(self, sinks: Sequence[SinkConfig], about: About, report: Reporter) -> None:
        check(sinks)
        self._fed = [fed for sink in sinks if (fed := _opened(sink, about, report)) is not None]

    def log(self, step: int, figures: Mapping[str, Any]) -> None:
        """Tell all of them these figures; what is no finite number is left out."""
        told = {name: float(value) for name, value in figures.items() if isinstance(value, int | float) and math.isfinite(value)}
        for fed in self._fed:
            fed.log(step, told)

    def close(self) -> None:
        for fed in self._fed:
            fed.close()


class _Fed:
    """A sink and the thread that feeds it."""

    def __init__(self, kind: str, sink: Sink, report: Reporter) -> None:
        self.kind, self.report = kind, report
        self._sink = sink
        self._rows: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(BEHIND)
        self._trouble = ""
        self._ended = False
        self._thread = threading.Thread(target=self._feed, name=f"sink {kind}", daemon=True)
        self._thread.start()

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        if self._ended:
            return
        try:
            self._rows.put_nowait((step, figures))
        except queue.Full:
            self._trouble = self._trouble or f"it is {BEHIND:,} rows behind"
        self._look()

    def close(self) -> None:
        if self._ended:
            return
        with contextlib.suppress(queue.Full):  # then it is behind by more than can be waited for
            self._rows.put_nowait(None)
        with _unheard():  # here, where nobody speaks meanwhile
            self._thread.join(LAST_SECONDS)
        if self._thread.is_alive():
            self._trouble = self._trouble or f"it did not end within {LAST_SECONDS:.0f} s"
        self._look()
        self._ended = True

    def _look(self) -> None:
        """Say once that the sink is out."""
        if self._trouble and not self._ended:
            self._ended = True
            said = f"watch.sinks: {self.kind} is told nothing further, because {self._trouble}; the run goes on without it"
            self.report.say(said, sink=self.kind, warning=self._trouble)

    def _feed(self) -> None:
        try:
            while (row := self._rows.get()) is not None and not self._ended:
                self._sink.log(*row)
            self._sink.close()
        except Exception as error:  # whatever a package of others raises; it is said by _look
            self._trouble = _in_words(error)


def _opened(config: SinkConfig, about: About, report: Reporter) -> _Fed | None:
    opens: dict[str, Callable[[Any, About], Sink]] = {"wandb": _WandB, "mlflow": _MLflow, "trackio": _Trackio}
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        with _unheard():
            sink = opens[config.kind](config, about)
    except Exception as error:  # whatever a package of others raises
        if about.begins:
            raise HeadwaterError(
                f"{config.kind} could not be opened: {_in_words(error)}", where="watch.sinks", mend="mend that, or leave the sink out"
            ) from None
        said = f"watch.sinks: {config.kind} could not be opened again: {_in_words(error)}; the run goes on without it"
        report.say(said, sink=config.kind, warning=_in_words(error))
        return None
    return _Fed(config.kind, sink, report)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Some greet on stdout, which is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _in_words(error: Exception) -> str:
    """The first line of what went wrong."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


class _WandB:
    def __init__(self, config: WandB, about: About) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=config.project, mode=config.mode, id=about.id, name=about.stage, resume="allow", dir=str(about.journal),
            config=dict(about.settings), settings=wandb.Settings(console="off", silent=True),
        )  # fmt: skip
        self._run.define_metric("*", step_metric="step")  # its own counter may not go back, as a run does that lost its way

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log({"step": step, **figures})

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    def __init__(self, config: MLflow, about: About) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._metric: Any = Metric
        self._known = about.journal / "mlflow-run"
        uri = config.uri or f"sqlite:///{(about.journal / 'mlflow.db').resolve()}"
        self._client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
        if self._known.exists():
            self._run = self._known.read_text().strip()
            return
        experiment = self._client.get_experiment_by_name(config.experiment)
        files = None if config.uri else (about.journal / "mlflow").resolve().as_uri()
        number = experiment.experiment_id if experiment else self._client.create_experiment(config.experiment, artifact_location=files)
        self._run = self._client.create_run(number, run_name=about.stage, tags={"headwater.id": about.id}).info.run_id
        settings = [Param(name, str(value)) for name, value in _flat(about.settings)]
        for start in range(0, len(settings), 100):  # more than it takes at once
            self._client.log_batch(self._run, params=settings[start : start + 100])
        self._known.write_text(self._run)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[self._metric(name, value, now, step) for name, value in figures.items()])

    def close(self) -> None:
        self._client.set_terminated(self._run)


class _Trackio:
    def __init__(self, config: Trackio, about: About) -> None:
        import trackio

        self._run: Any = trackio.init(
            project=config.project, name=about.id, space_id=config.space, config=dict(about.settings), resume="allow", embed=False,
            auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """`(optimizer.lr, 0.001)`: settings as names and values."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
