from __future__ import annotations

import subprocess
import sys

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.evaluation.config import Evaluate


def test_an_empty_block_is_whole() -> None:
    config = validate(Evaluate, {})
    assert {task.kind for task in config.tasks} == {"continuation", "completion"}
    assert config.ngram == 5


def test_tasks_are_told_apart_by_kind() -> None:
    config = validate(Evaluate, {"tasks": [{"kind": "continuation", "shots": 0, "choices": 2}], "chat": None})
    assert config.tasks[0].label == "continuation, 0 shots"


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(HeadwaterError, match="two tasks are called 'completion, 0 shots'"):
        validate(Evaluate, {"tasks": [{"kind": "completion"}, {"kind": "completion"}]})


def test_nothing_heavy_is_loaded_with_the_config() -> None:
    code = "import sys, headwater.evaluation.config; print([m for m in ('torch', 'numba', 'pyarrow', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
