"""headwater/recipe/speaking.py: every architecture is asked as its objective taught it."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.recipe.pretrain_config import Pretrain
from headwater.recipe.speaking import asked, speak
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import Tokenizer, train

TINY = {"layers": 1, "width": 32, "heads": 2, "context": 64}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "causal": ({}, {"kind": "causal"}),
    "prefix decoder": ({}, {"kind": "prefix"}),
    "prefix encoder-decoder": ({"kind": "encoder-decoder"}, {"kind": "prefix"}),
    "span decoder": ({}, {"kind": "span"}),
    "span encoder-decoder": ({"kind": "encoder-decoder"}, {"kind": "span"}),
    "ul2": ({"kind": "encoder-decoder"}, {"kind": "ul2"}),
    "denoise": ({"kind": "encoder-decoder"}, {"kind": "denoise"}),
    "glm": ({}, {"kind": "glm"}),
    "mixture": ({}, {"kind": "mixture", "of": [{"objective": {"kind": "ul2"}}, {"objective": {"kind": "causal"}}]}),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(Bytes(specials=("mask", "gmask", "sop", "eop", "cls", "sep", "r", "s", "x"), sentinels=40), [])


def config(model: dict[str, Any], objective: dict[str, Any], prompts: list[str]) -> Pretrain:
    more = {"steps": 200, "prompts": prompts, "sampling": {"temperature": 1.0, "max_tokens": 6}}
    return Pretrain.model_validate({"model": {**TINY, **model}, "objective": objective, **more})


@pytest.mark.parametrize("case", CASES)
def test_each_prompt_gets_an_answer_and_the_same_one_again(case: str, tokenizer: Tokenizer) -> None:
    said = config(*CASES[case], ["To be", "却说"])
    network = said.model.with_vocabulary(tokenizer.vocab_size).build(0)
    answers = list(speak(network, tokenizer, said, 0))
    assert [prompt for prompt, _ in answers] == ["To be", "却说"]
    assert answers == list(speak(network, tokenizer, said, 0))
    assert answers != list(speak(network, tokenizer, said, 1))


def test_masks_are_filled_and_other_prompts_are_passed_over(tokenizer: Tokenizer) -> None:
    said = config(
        {"kind": "encoder", "head": {"kind": "mlm"}, "positions": {"kind": "learned"}}, {"kind": "masked"}, ["", "To <|mask|>e <|mask|>"]
    )
    network = said.model.with_vocabulary(tokenizer.vocab_size).build(0)
    ((prompt, text),) = speak(network, tokenizer, said, 0)
    assert prompt == "To <|mask|>e <|mask|>"
    assert [len(each.split(", ")) for each in text.split("; ")] == [3, 3]


def test_the_question_is_what_the_objectives_rows_begin_with(tokenizer: Tokenizer) -> None:
    ids, special = tokenizer.encode("Hi"), tokenizer.special
    expected = {
        "causal": [special("end"), *ids],
        "span": [*ids, tokenizer.sentinels[0]],
        "ul2": [special("s"), *ids, tokenizer.sentinels[0]],
        "glm": [*ids, special("gmask"), special("sop")],
        "prefix": ids,
    }
    for kind, question in expected.items():
        objective = config({}, {"kind": kind}, []).objective
        assert asked(objective, tokenizer, "Hi") == question  # type: ignore[arg-type]
