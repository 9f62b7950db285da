from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater.core.progress import Reporter
from headwater.evaluation.config import Samples
from headwater.evaluation.samples import _passages, write_samples
from headwater.evaluation.texts import Text
from headwater.model.directory import Model

TRAINING = [Text("t", "en", "the training text")]


def write(model: Model, held_out: list[Text], training: list[Text] = TRAINING, batch_size: int = 4, **options: Any) -> dict[str, Any]:
    config = Samples(count=5, max_tokens=12, **options)
    return write_samples(config, model, held_out, training, seed=1, batch_size=batch_size, precision="fp32", report=Reporter())


def test_a_text_that_was_trained_on_is_found_whole(model: Callable[..., Model], documents: dict[str, list[Text]]) -> None:
    held_out = documents["validation"]
    samples = write(model(), held_out)["samples"]
    copied = [Text(f"copy {number}", "en", f"before {sample['text']} after") for number, sample in enumerate(samples)]
    result = write(model(), held_out, [*TRAINING, *copied, *held_out])
    for sample in result["samples"]:
        assert sample["longest_match"]["characters"] == len(sample["text"])
        assert sample["longest_match"]["document"].startswith("copy")
    assert result["human_match"]["characters"] == result["human_match"]["samples"]["characters"]  # passages were trained on as well


def test_prompts_are_used_in_turn_and_are_no_part_of_the_text(model: Callable[..., Model], documents: dict[str, list[Text]]) -> None:
    assert [sample["prompt"] for sample in write(model(), [], prompts=("a", "b"))["samples"]] == ["a", "b", "a", "b", "a"]
    openings = [sample["prompt"] for sample in write(model(), documents["validation"])["samples"]]
    assert openings[::2] == [""] * 3
    assert all(any(text.text.startswith(prompt) for text in documents["validation"]) for prompt in openings[1::2])


def test_batches_change_no_sample(model: Callable[..., Model], documents: dict[str, list[Text]]) -> None:
    assert write(model(), documents["validation"]) == write(model(), documents["validation"], batch_size=2)


def test_passages_have_the_lengths_asked_for() -> None:
    held_out = [Text("a", "en", "0123456789"), Text("b", "en", "abc")]
    assert [len(passage) for passage in _passages(held_out, [10, 3, 0, 50], 1)] == [10, 3, 0, 10]
    assert _passages([], [3], 1) == []
