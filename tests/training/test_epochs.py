"""Epochs are the fewest steps that read all rows so often, with growing batches and planned changes too; or one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.training.config import Training
from headwater.training.epochs import in_steps
from headwater.training.ramp import Sizes

BASE: dict[str, Any] = {"batch_size": 8, "schedule": {"warmup": 2}}


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ({"epochs": 1}, 13),  # 12 of 8 rows are 96 of 100
        ({"epochs": 2}, 25),
        ({"epochs": 0.5}, 7),
        ({"epochs": 1, "batch_size": {"kind": "stages", "sizes": [10, 30], "at": [4]}}, 6),
        ({"epochs": 1, "changes": [{"step": 5, "set": {"batch_size": 20}}]}, 8),
        ({"steps": 77}, 77),
    ],
)
def test_epochs_in_steps(said: dict[str, Any], steps: int) -> None:
    config = validate(Training, {**BASE, **said})
    resolved = in_steps(config, Sizes(config.batch_size, 16), 100, "pretrain")
    assert (resolved.steps, resolved.epochs) == (steps, None)
    again = validate(Training, config.model_dump(mode="json"))
    assert in_steps(again, Sizes(again.batch_size, 16), 100, "pretrain") == resolved


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "say how long the run is: steps, or epochs"),
        ({"steps": 9, "epochs": 1}, "steps, or epochs, not both"),
        ({"epochs": 0}, "epochs: input should be greater than 0"),
        ({"steps": 0}, "steps: input should be greater than 0"),
    ],
)
def test_a_run_has_one_end(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        validate(Training, {**BASE, **said})


def test_a_warm_up_longer_than_the_epochs_is_a_sentence() -> None:
    config = validate(Training, {"epochs": 1, "batch_size": 8, "schedule": {"warmup": 13}})
    with pytest.raises(HeadwaterError, match=r"the warm-up \(13 steps\) is not shorter than the run \(13 steps\)"):
        in_steps(config, Sizes(8, 16), 100, "pretrain")
