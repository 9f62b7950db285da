"""What a recipe may say about watching: an override opens a block that is not there, mistakes are a sentence, no fingerprint moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.config import load
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import closure_of
from headwater.recipe.runner import UNHASHED
from headwater.training.config import Training
from headwater.training.watch_config import ProfileConfig


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("steps: 100\nschedule: {warmup: 5}\n")
    return path


def test_the_profiler_is_asked_for_by_one_word(recipe: Path) -> None:
    assert load(Training, recipe).watch.profile is None
    assert load(Training, recipe, ["watch.profile.steps=7"]).watch.profile == ProfileConfig(after=10, steps=7)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("watch.sinks=[{kind: wanbd}]", "wandb"),
        ("watch.sinks=[{kind: wandb, mode: onlin}]", "online"),
        ("watch.profile.steps=0", "greater than 0"),
        ("watch.evry=5", "every"),
    ],
)
def test_a_mistake_is_a_sentence(recipe: Path, override: str, said: str) -> None:
    with pytest.raises(HeadwaterError, match=said) as caught:
        load(Training, recipe, [override])
    assert "\n" not in str(caught.value)


def test_watching_is_in_no_fingerprint() -> None:
    """Neither what a recipe says of it nor the words in which it can be said."""
    assert "watch" in UNHASHED
    modules, _ = closure_of("headwater.training.loop")
    assert not {"headwater.training.watch_config", "headwater.training.sinks", "headwater.core.peak"} & set(modules)
