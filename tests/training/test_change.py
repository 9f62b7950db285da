"""What may change while a run goes: composed as the recipe itself is checked, and refused by name with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.recipe.pretrain_config import Pretrain
from headwater.training.change import Change, composed
from headwater.training.config import Lion, Training

PRETRAIN = validate(
    Pretrain,
    {"model": {"layers": 2, "width": 32, "heads": 2, "context": 64}, "steps": 100, "schedule": {"warmup": 10}, "batch_size": 4},
)


def after(*changes: dict[str, Any], of: Training = PRETRAIN) -> list[tuple[int, Any]]:
    return composed(of, [Change.model_validate(each) for each in changes])


def test_changes_add_up_in_the_order_of_their_steps() -> None:
    held = after({"step": 50, "set": {"clip": None}}, {"step": 20, "set": {"optimizer.lr": 3e-4, "batch_size": 8}})
    assert [place for place, _ in held] == [0, 20, 50]
    assert [config.optimizer.lr for _, config in held] == [1e-3, 3e-4, 3e-4]
    assert [config.batch_size for _, config in held] == [4, 8, 8]
    assert [config.clip for _, config in held] == [1.0, 1.0, None]


def test_another_kind_keeps_what_both_have() -> None:
    (_, _), (_, lion) = after({"step": 9, "set": {"optimizer.kind": "lion", "optimizer.lr": 1e-4}})
    assert lion.optimizer == Lion(lr=1e-4, betas=PRETRAIN.optimizer.betas, weight_decay=0.1)  # type: ignore[union-attr]
    (_, _), (_, line) = after({"step": 9, "set": {"schedule": {"kind": "linear"}}})
    assert (line.schedule.kind, line.schedule.warmup, line.schedule.floor) == ("linear", 10, 0.1)


def test_an_order_alone_changes_no_setting() -> None:
    assert after({"step": 5, "do": ["validate", "save"]}) == [(0, PRETRAIN)]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer.lr": 0}, "changes: optimizer.lr: input should be greater than 0"),
        ({"optimizer.lrr": 1}, "changes: unknown key 'optimizer.lrr'; did you mean 'lr'?"),
        ({"optimiser.lr": 1}, "changes: there is no 'optimiser.lr' to change; did you mean 'optimizer'?"),
        ({"optimizer.kind": "adamv"}, "changes: optimizer.kind: there is no 'adamv'; did you mean 'adam'?"),
        ({"model.width": 64}, "model.width cannot change while the run goes: the weights have its shape"),
        ({"model.feed_forward.kind": "gelu"}, "the activation cannot change from swiglu to gelu, which has weights of other shapes"),
        ({"seed": 2}, "seed cannot change while the run goes: every draw so far came from it"),
        ({"objective.kind": "fim"}, "objective.kind cannot change while the run goes: what was read so far was read for it"),
        ({"precision": "fp32"}, "precision cannot change while the run goes: it was decided once"),
        ({"steps": 30}, "the run would end after 30 steps, and 40 were made before; say at least steps=41, or stop it"),
        ({"schedule.warmup": 100}, "the warm-up (100 steps) is not shorter than the run (100 steps)"),
        ({"length": 100}, "length: rows of 100 tokens are longer than the 64 that"),
        ({"changes": []}, "changes cannot change"),
    ],
)
def test_what_cannot_be_is_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        after({"step": 40, "set": settings})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_planned_change_that_cannot_be_is_found_with_the_recipe() -> None:
    """Not at its step, hours later."""
    changes = [{"step": 90, "set": {"optimizer.lr": -1}}]
    with pytest.raises(HeadwaterError, match=r"optimizer\.lr: input should be greater than 0"):
        validate(Training, {"steps": 100, "schedule": {"warmup": 5}, "changes": changes})
    with pytest.raises(HeadwaterError, match="a change sets something or does something"):
        validate(Training, {"steps": 100, "schedule": {"warmup": 5}, "changes": [{"step": 3}]})


def test_the_mean_of_the_last_weights_pins_the_end() -> None:
    training = validate(Training, {"steps": 600, "average": {"kind": "last", "count": 3}})
    with pytest.raises(HeadwaterError, match="counts from the end"):
        after({"step": 3, "set": {"steps": 700}}, of=training)
    free = validate(Training, {"steps": 600})
    assert after({"step": 3, "set": {"steps": 700}}, of=free)[-1][1].steps == 700
