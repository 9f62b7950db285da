"""Terms of the loss: off unless asked for, and within their range."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from headwater.training.loss_config import LossConfig


def test_nothing_is_added_unasked() -> None:
    assert (LossConfig().z_loss, LossConfig().label_smoothing) == (0.0, 0.0)


@pytest.mark.parametrize("field", [{"z_loss": -1}, {"label_smoothing": 1.0}, {"future": -0.1}])
def test_ranges(field: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        LossConfig(**field)
