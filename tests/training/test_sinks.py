"""Sinks: asked for or not imported; missing ones are found before; one that fails or hangs is said once and stops nothing.

The packages are stand-ins that keep what they are told; with the real ones it is tried by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.training import sinks
from headwater.training.sinks import About, Sinks, check
from headwater.training.watch_config import MLflow, Trackio, WandB
from tests.heard import Heard

SETTINGS = {"steps": 30, "optimizer": {"kind": "adamw", "lr": 0.01}}


class Package:
    """A stand-in for all three packages: rows that it was given, by the run that they were given to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.closed = 0
        self.fails_at: int | None = None
        self.hangs = threading.Event()
        self.hangs.set()

    def take(self, step: int, figures: dict[str, float]) -> None:
        self.hangs.wait(20)
        if step == self.fails_at:
            raise ConnectionError("the server has gone\nand left a traceback")
        self.rows.append((step, figures))

    def modules(self) -> dict[str, types.ModuleType]:
        package = self

        class Run:
            def log(self, figures: dict[str, float], step: int | None = None) -> None:
                figures = dict(figures)
                package.take(int(figures.pop("step")) if step is None else step, figures)

            def define_metric(self, name: str, step_metric: str) -> None:
                assert (name, step_metric) == ("*", "step")

            def finish(self) -> None:
                print("View run at …")
                package.closed += 1

        class Client:
            def __init__(self, **given: Any) -> None:
                package.calls.append(("client", given))

            def get_experiment_by_name(self, name: str) -> None:
                return None

            def create_experiment(self, name: str, artifact_location: str | None) -> str:
                return "1"

            def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
                package.calls.append(("create_run", {"run_name": run_name}))
                return types.SimpleNamespace(info=types.SimpleNamespace(run_id="77ab"))

            def log_batch(self, run: str, metrics: Any = (), params: Any = ()) -> None:
                assert run == "77ab"
                if params:
                    package.calls.append(("params", dict(params)))
                if metrics:
                    package.take(metrics[0][3], {name: value for name, value, _, _ in metrics})

            def set_terminated(self, run: str) -> None:
                package.closed += 1

        def init(**given: Any) -> Run:
            print("Tracking run …")
            package.calls.append(("init", given))
            return Run()

        def module(name: str, **inside: Any) -> types.ModuleType:
            made = types.ModuleType(name)
            vars(made).update(inside)
            return made

        return {
            "wandb": module("wandb", init=init, Settings=lambda **given: given),
            "trackio": module("trackio", init=init),
            "mlflow": module("mlflow"),
            "mlflow.entities": module("mlflow.entities", Metric=lambda *given: given, Param=lambda *given: given),
            "mlflow.tracking": module("mlflow.tracking", MlflowClient=Client),
            "sqlalchemy": module("sqlalchemy"),
            "alembic": module("alembic"),
        }


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    made = Package()
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in sinks.QUIET:
        monkeypatch.delenv(name, raising=False)
    return made


def about(folder: Path, **update: Any) -> About:
    return About(**{"stage": "pretrain", "id": "pretrain-77ab", "journal": folder, "settings": SETTINGS, **update})


KINDS = {"wandb": WandB(kind="wandb"), "mlflow": MLflow(kind="mlflow"), "trackio": Trackio(kind="trackio")}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_told_the_figures(package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    told = Sinks([KINDS[kind]], about(tmp_path), Reporter())
    told.log(10, {"train/loss": 3.5, "train/reason": "words", "train/lr": float("nan"), "train/none": None, "train/tokens": 4096})
    told.log(7, {"train/loss": 3.6})  # a run that went back
    told.close()
    assert package.rows == [(10, {"train/loss": 3.5, "train/tokens": 4096.0}), (7, {"train/loss": 3.6})]
    assert package.closed == 1
    assert capsys.readouterr().out == "", "stdout belongs to results"


def test_nothing_leaves_the_machine_unless_the_recipe_says_so(package: Package, tmp_path: Path) -> None:
    for kind in KINDS.values():
        Sinks([kind], about(tmp_path), Reporter()).close()
    wandb, trackio = (given for call, given in package.calls if call == "init")
    (mlflow,) = (given for call, given in package.calls if call == "client")
    assert (wandb["mode"], wandb["dir"]) == ("offline", str(tmp_path))
    assert mlflow["tracking_uri"] == f"sqlite:///{tmp_path.resolve()}/mlflow.db" == mlflow["registry_uri"]
    assert trackio["space_id"] is None
    import os

    assert {name: os.environ[name] for name in sinks.QUIET} == sinks.QUIET  # reports of use and of errors are off
    package.calls.clear()
    asked = (
        WandB(kind="wandb", mode="online"),
        MLflow(kind="mlflow", uri="https://mlflow.example"),
        Trackio(kind="trackio", space="me/board"),
    )
    for sink in asked:
        Sinks([sink], about(tmp_path), Reporter()).close()
    wandb, trackio = (given for call, given in package.calls if call == "init")
    assert (wandb["mode"], trackio["space_id"]) == ("online", "me/board")
    assert ("client", {"tracking_uri": "https://mlflow.example", "registry_uri": "https://mlflow.example"}) in package.calls


def test_a_run_that_goes_on_is_the_same_run_there(package: Package, tmp_path: Path) -> None:
    for begins in (True, False):
        Sinks(list(KINDS.values()), about(tmp_path, begins=begins), Reporter()).close()
    assert [call for call, _ in package.calls].count("create_run") == 1
    given = [given for call, given in package.calls if call == "init"]
    assert {(one.get("id") or one["name"], one["resume"]) for one in given} == {("pretrain-77ab", "allow")}
    assert ("params", {"steps": "30", "optimizer.kind": "adamw", "optimizer.lr": "0.01"}) in package.calls


@pytest.mark.parametrize(("kind", "gone"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "alembic"), ("trackio", "trackio")])
def test_a_missing_package_is_one_sentence_with_its_extra(package: Package, monkeypatch: pytest.MonkeyPatch, kind: str, gone: str) -> None:
    monkeypatch.delitem(sys.modules, gone)
    monkeypatch.setattr(sinks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HeadwaterError) as caught:
        check([KINDS[kind]])
    assert str(caught.value) == (
        f"watch.sinks: the sink '{kind}' needs a package that is not installed; pip install 'headwater[{kind}]', or leave the sink out"
    )


@pytest.mark.fault
def test_one_that_fails_later_is_said_once_and_the_others_go_on(package: Package, tmp_path: Path) -> None:
    heard, other = Heard(), Package()
    package.fails_at = 2
    told = Sinks([KINDS["wandb"]], about(tmp_path), heard)
    for name, module in other.modules().items():
        sys.modules[name] = module
    both = Sinks([KINDS["trackio"]], about(tmp_path), heard)
    told._fed += both._fed
    for step in range(6):
        told.log(step, {"train/loss": 1.0})
    told.close()
    assert [step for step, _ in package.rows] == [0, 1]
    assert [step for step, _ in other.rows] == list(range(6)) and other.closed == 1
    assert heard.lines == [
        "watch.sinks: wandb is told nothing further, because ConnectionError: the server has gone; the run goes on without it"
    ]


@pytest.mark.fault
def test_one_that_hangs_keeps_nobody_waiting(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "LAST_SECONDS", 0.1)
    monkeypatch.setattr(sinks, "BEHIND", 5)
    heard = Heard()
    package.hangs.clear()
    told = Sinks([KINDS["wandb"]], about(tmp_path), heard)
    for step in range(20):
        told.log(step, {"train/loss": 1.0})
    told.close()
    package.hangs.set()
    assert heard.lines == ["watch.sinks: wandb is told nothing further, because it is 5 rows behind; the run goes on without it"]


@pytest.mark.fault
def test_one_that_does_not_end_is_left_behind(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "LAST_SECONDS", 0.1)
    heard = Heard()
    package.hangs.clear()
    told = Sinks([KINDS["wandb"]], about(tmp_path), heard)
    told.log(1, {"train/loss": 1.0})
    told.close()
    package.hangs.set()
    assert len(heard.lines) == 1 and "because it did not end within 0 s" in heard.lines[0]


@pytest.mark.fault
def test_one_that_cannot_be_opened_ends_a_run_that_begins_and_no_other(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty)")

    monkeypatch.setattr(sys.modules["wandb"], "init", init, raising=False)
    with pytest.raises(HeadwaterError, match="wandb could not be opened: RuntimeError: api_key not configured"):
        Sinks([KINDS["wandb"]], about(tmp_path), Reporter())
    heard = Heard()
    told = Sinks([KINDS["wandb"]], about(tmp_path, begins=False), heard)
    told.log(1, {"train/loss": 1.0})
    told.close()
    assert len(heard.lines) == 1 and "wandb could not be opened again" in heard.lines[0]


def test_what_nobody_asked_for_is_not_imported() -> None:
    code = f"import sys, json, headwater.training.loop; print(json.dumps([name for name in {[*KINDS]} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_installing_one_changes_no_fingerprint() -> None:
    from headwater.core.fingerprint import closure_of

    modules, libraries = closure_of("headwater.training.loop")
    assert "headwater.training.telemetry" in modules
    assert not libraries & {"wandb", "mlflow", "trackio", "sqlalchemy"}
