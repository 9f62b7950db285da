"""`headwater steer`: what is asked of a run while it goes.

In: a workspace (or the stage in the making), `key=value` and orders. Out: one file in the run's folder, which it reads before its next step
(training/steering.py). What cannot be is said here, by the run's own settings, before the run hears of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from headwater.alignment.config import SFT
from headwater.alignment.finetune_config import Finetune
from headwater.core.config import Config, apply_override, validate
from headwater.core.errors import HeadwaterError, nearest
from headwater.core.storage import read_json, read_jsonl, write_atomically
from headwater.recipe.pretrain_config import Pretrain
from headwater.training.change import Change, Order, composed
from headwater.training.steering_files import ANSWERED, ASKED, FOLDER, RECORD, STOP

STAGES: dict[str, type[Config]] = {"pretrain": Pretrain, "sft": SFT, "finetune": Finetune}
ORDERS = (STOP, *get_args(Order))
LOOK = 0.05  # seconds between two looks for the answer


def steer(run: Path, words: Sequence[str], wait: float, as_json: bool) -> None:
    """Ask, and say what became of it."""
    partial = running(run)
    about = read_json(partial / FOLDER / "config.json")
    set, do = read_words(words, about["stage"])
    schema = STAGES[about["stage"]]
    config = validate(schema, {**about["config"], "changes": []}, where=str(partial))
    composed(config, [Change(step=about["step"], set=set, do=tuple(order for order in do if order != STOP) or ("save",))], where="steer")
    id = f"{time.time_ns()}-{os.getpid()}"
    write_atomically(partial / FOLDER / f"{ASKED}{id}.json", json.dumps({"set": set, "do": do}, ensure_ascii=False))
    answer = _answer(partial, id, wait)
    if answer is not None and "refused" in answer:
        raise HeadwaterError(f"the run refused: {answer['refused']}", where=about["stage"])
    said = ", ".join([*(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in set.items()), *do])
    if as_json:
        print(json.dumps({"stage": about["stage"], "set": set, "do": do, "step": answer and answer["step"]}, ensure_ascii=False))
    elif answer is None:
        print(f"{about['stage']}: asked for {said}; it holds from the next step on, which is not there after {wait:g} s")
    else:
        print(f"{about['stage']}: after step {answer['step']:,}: {said}")


def show_log(run: Path) -> None:
    """What was asked of a run, as a recipe would say it."""
    folder = next((each for each in _candidates(run) if (each / RECORD).is_file()), None)
    if folder is None:
        raise HeadwaterError("nothing was asked of a run here", where=run, mend="`headwater steer RUN key=value` does so")
    changes = []
    for row in read_jsonl(folder / RECORD):
        change: dict[str, Any] = {"step": row["step"]}
        changes.append(change | {name: row[name] for name in ("rollbacks", "set", "do") if row[name]})
    print(yaml.safe_dump({"changes": changes}, allow_unicode=True, sort_keys=False, default_flow_style=None), end="")


def read_words(words: Sequence[str], stage: str) -> tuple[dict[str, Any], list[str]]:
    """`key=value` as settings, other words as orders. A key may begin with its stage's name, as on the command line of `run`."""
    set: dict[str, Any] = {}
    do: list[str] = []
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            if word not in ORDERS:
                raise HeadwaterError(f"'{word}' is neither key=value nor an order", where="steer", mend=nearest(word, ORDERS))
            do.append(word)
            continue
        read: dict[str, Any] = {}
        apply_override(read, {}, f"value={value}")
        set[key.strip().removeprefix(f"{stage}.")] = read["value"]
    if not set and not do:
        raise HeadwaterError("nothing is asked", where="steer", mend=f"say key=value, or one of {', '.join(ORDERS)}")
    return set, do


def running(run: Path) -> Path:
    """The folder of the training that a process is making."""
    found = [folder for folder in _candidates(run) if folder.suffix == ".partial" and _is_held(folder)]
    ready = [folder for folder in found if (folder / FOLDER / "config.json").is_file()]
    if ready:
        return ready[-1]
    if found:
        raise HeadwaterError("has not begun to train yet", where=found[-1], mend="ask again in a moment")
    raise HeadwaterError("nothing is being trained there", where=run, mend="name the workspace of a `headwater run` that goes")


def _candidates(run: Path) -> list[Path]:
    """Folders of trainings that a path may mean: in the making first, each stage's newest last."""
    if run.suffix == ".partial" and run.is_dir():
        return [run]
    workspace, stages = (run, tuple(STAGES)) if (run / "artifacts").is_dir() else (run.parent, (run.name,))
    if not (workspace / "artifacts").is_dir() or not set(stages) <= STAGES.keys():
        raise HeadwaterError("is no workspace, nor a stage that trains", where=run, mend="for example runs/demo, or runs/demo/pretrain")
    partial = [folder for stage in stages for folder in sorted((workspace / "artifacts").glob(f"{stage}-*.partial"))]
    return [*partial, *(workspace / stage for stage in stages if (workspace / stage).is_dir())]


def _is_held(partial: Path) -> bool:
    """Whether a process holds the lock of an artifact in the making (core/artifact.py)."""
    lock = partial.with_name(partial.name.removesuffix(".partial") + ".lock")
    try:
        with open(lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _answer(partial: Path, id: str, wait: float) -> dict[str, Any] | None:
    """What the run says to a request; None where it says nothing for so long."""
    file, until = partial / FOLDER / f"{ANSWERED}{id}.json", time.monotonic() + wait
    while time.monotonic() < until:
        if file.is_file():
            answer: dict[str, Any] = read_json(file)
            file.unlink(missing_ok=True)
            return answer
        if not partial.is_dir():
            raise HeadwaterError("the run ended before it heard of it", where=partial.name.partition("-")[0])
        time.sleep(LOOK)
    return None
