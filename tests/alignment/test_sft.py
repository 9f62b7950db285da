"""Fine-tuning: who is held out, what is cut, what is learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.alignment.config import SFT
from headwater.alignment.dialogues import gather
from headwater.alignment.sft import DialogueData, _fitting
from headwater.core.progress import Reporter
from headwater.tokens.chat import Message
from headwater.tokens.config import Bytes
from headwater.tokens.dialogues import Dialogue
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])


def dialogue(*turns: str) -> Dialogue:
    return Dialogue("d", tuple(Message(role="assistant" if place % 2 else "user", content=turn) for place, turn in enumerate(turns)))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """400 prompts with two answers each, every tenth pair twice."""
    file = tmp_path / "d.jsonl"
    pairs = [(f"question {number}", f"answer {number} {way}") for number in range(400) for way in "ab"]
    pairs += pairs[::10]
    file.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in pairs))
    config = SFT(sources=[{"path": str(file)}], steps=50)  # type: ignore[arg-type, list-item]
    *_, counts = gather(config, tmp_path, Reporter())
    return rows(tmp_path / "dialogues.train.jsonl"), rows(tmp_path / "dialogues.heldout.jsonl"), counts


def test_equal_dialogues_once_and_a_prompt_on_one_side_only(sides: Any) -> None:
    learned, held_out, counts = sides
    assert (counts["dialogues"], counts["distinct"]) == (880, 800)
    assert len(learned) + len(held_out) == 800
    prompts = [{row["messages"][0]["content"] for row in side} for side in (learned, held_out)]
    assert not prompts[0] & prompts[1]
    assert 0.02 < len(held_out) / 800 < 0.09


def test_a_long_dialogue_is_cut_after_the_last_answer_that_fits() -> None:
    long = dialogue("hi", "hello", "and now?", "x" * 500)
    encoded, kept = _fitting([long, dialogue("y" * 500, "too long a question")], BYTES, TEMPLATE, 100)
    assert [message.content for message in kept[0].messages] == ["hi", "hello"]
    assert len(encoded) == len(kept) == 1


def test_every_dialogue_once_an_epoch_and_another_order_in_the_next() -> None:
    encoded, kept = _fitting([dialogue(f"question {number}", "z" * (number % 40)) for number in range(1, 300)], BYTES, TEMPLATE, 128)
    data = DialogueData(encoded, [str(number) for number in range(len(kept))], 128, BYTES.special("pad"), 1, seed=1)
    epochs = [[data.chosen(step)[0] for step in range(start, start + len(data.rows))] for start in (0, len(data.rows))]
    for epoch in epochs:
        assert sorted(item for row in epoch for item in row) == list(range(len(encoded)))
    assert epochs[0] != epochs[1]


def test_only_answers_and_their_closing_turn_are_learned() -> None:
    encoded, _ = _fitting([dialogue("what?", "this.")], BYTES, TEMPLATE, 64)
    data = DialogueData(encoded, ["0"], 64, BYTES.special("pad"), 1, seed=1)
    batch = data.batch(0)
    learned = batch.targets_BT[batch.weights_BT > 0].tolist()
    assert BYTES.decode(learned) == "this.<|turn|>"
    assert batch.weight == len(learned)


def test_of_a_few_dialogues_one_prompt_is_held_out(tmp_path: Path) -> None:
    """However the draws fall, neither side is empty."""
    for count in range(2, 12):
        file = tmp_path / f"{count}.tsv"
        file.write_text("".join(f"question {count} {number}\tanswer\n" for number in range(count)))
        learned, held_out, _ = gather(SFT(sources=[{"path": str(file)}], steps=50), tmp_path, Reporter())  # type: ignore[arg-type, list-item]
        assert learned
        assert held_out
        assert len(learned) + len(held_out) == count
