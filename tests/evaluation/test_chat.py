from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.evaluation import chat
from headwater.evaluation.chat import chat_answers, failure
from headwater.generation.generate import Generated
from headwater.generation.sampling import Sampling
from headwater.model.directory import Model
from headwater.tokens.chat import Message
from headwater.tokens.dialogues import Dialogue
from headwater.tokens.tokenizer import Tokenizer


def dialogue(number: int, *roles: str) -> Dialogue:
    return Dialogue(f"d{number}", tuple(Message(role=role, content=f"{role} {number}") for role in roles))  # type: ignore[arg-type]


def test_every_rule_can_be_broken(tokenizer: Tokenizer) -> None:
    turn, end, user = (tokenizer.special(name) for name in ("turn", "end", "user"))
    said = tokenizer.encode("好 fine")
    assert failure(Generated(said, turn), tokenizer) is None
    assert failure(Generated(said, None), tokenizer) == "not ended"
    assert failure(Generated(said, end), tokenizer) == "ended by another token"
    assert failure(Generated([], turn), tokenizer) == "empty"
    assert failure(Generated(tokenizer.encode(" \n"), turn), tokenizer) == "empty"
    assert failure(Generated([*said, user, *said], turn), tokenizer) == "special token inside"
    assert failure(Generated(said[1:], turn), tokenizer) == "not UTF-8"
    assert failure(Generated(tokenizer.encode("<|turn|> said aloud"), turn), tokenizer) is None  # as text it forges nothing


def ask(model: Model, dialogues: Sequence[Dialogue], answers: int = 100) -> dict[str, Any]:
    sampling = Sampling(max_tokens=8)
    return chat_answers(model, dialogues, sampling, answers=answers, seed=1, batch_size=2, precision="fp32", report=Reporter())


def test_the_model_is_asked_as_serving_would(model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}
    spoken = model()
    turn = spoken.tokenizer.special("turn")

    def generate(network: Any, prompts: Sequence[list[int]], *_: Any, keys: Sequence[str], **__: Any) -> list[Generated]:
        asked.update({key: spoken.tokenizer.decode(prompt) for key, prompt in zip(keys, prompts, strict=True)})
        return [Generated(spoken.tokenizer.encode("yes"), None if key == "d1" else turn) for key in keys]

    monkeypatch.setattr(chat, "generate", generate)
    dialogues = [
        dialogue(0, "user", "assistant", "user", "assistant"), dialogue(1, "system", "user", "assistant"), dialogue(2, "assistant"),
        dialogue(3, "user"), dialogue(4, "user"),
    ]  # fmt: skip
    result = ask(spoken, dialogues)
    assert asked["d0"] == "<|user|>user 0<|turn|><|assistant|>assistant 0<|turn|><|user|>user 0<|turn|><|assistant|>"
    assert asked["d1"] == "<|system|>system 1<|turn|><|user|>user 1<|turn|><|assistant|>"
    assert "d2" not in asked
    assert (result["rate"], result["count"], result["failures"]) == (0.75, 4, {"not ended": 1})
    assert result["examples"][0] == {"prompt": "user 1", "answer": "yes", "failure": "not ended"}
    assert ask(spoken, dialogues, answers=2)["count"] == 2


def test_batches_change_no_answer(model: Callable[..., Model]) -> None:
    dialogues = [dialogue(number, "user") for number in range(5)]
    alone = [ask(model(), [one])["examples"][0]["answer"] for one in dialogues]
    together = sorted(ask(model(), dialogues)["examples"], key=lambda example: str(example["prompt"]))
    assert alone == [example["answer"] for example in together]


def test_nobody_asks_and_no_template(model: Callable[..., Model]) -> None:
    assert "skipped" in ask(model(), [dialogue(0, "assistant")])
    with pytest.raises(HeadwaterError, match="no chat template"):
        ask(replace(model(), template=None), [dialogue(0, "user")])
