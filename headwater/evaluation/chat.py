"""Does the model keep its chat template when it answers people?

In: a Model with a template and held-out dialogues. Out: the share of answers that keep it. Each dialogue is rendered up to its
last user turn, as serving would, and the model answers. An answer keeps the template when `<|turn|>` ends it in time, it says
something, no other special token is inside, and its bytes are UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.evaluation.perplexity import Precision, scoring
from headwater.evaluation.statistics import proportion, rounded
from headwater.generation.generate import Generated, generate
from headwater.generation.sampling import Sampling
from headwater.generation.text import UNKNOWN
from headwater.model.directory import Model
from headwater.tokens.chat import Message, encode_dialogue
from headwater.tokens.dialogues import Dialogue
from headwater.tokens.tokenizer import Tokenizer

EXAMPLES = 8
REASONS = ("not ended", "ended by another token", "empty", "special token inside", "not UTF-8")


def chat_answers(
    model: Model,
    dialogues: Sequence[Dialogue],
    sampling: Sampling,
    *,
    answers: int,
    seed: int,
    batch_size: int,
    precision: Precision,
    report: Reporter,
) -> dict[str, Any]:
    """`{"rate", "standard_error", "count", "failures": {reason: n}, "examples": [{"prompt", "answer", "failure"} …]}`.

    At most `answers` dialogues, evenly spaced among those that have a user's turn, are answered; failures are shown first.
    `{"skipped": reason}` without such a dialogue. Raises HeadwaterError for a model without a template.
    """
    if model.template is None:
        raise HeadwaterError("has no chat template", where=model.path, mend="give a model that was fine-tuned on dialogues")
    asked = [(dialogue.id, question) for dialogue in dialogues if (question := _up_to_last_user(dialogue.messages))]
    if not asked:
        return {"skipped": "no held-out dialogue has a user's turn"}
    count = min(answers, len(asked))
    asked = [asked[index * len(asked) // count] for index in range(count)]
    prompts = [encode_dialogue(model.tokenizer, model.template, question, generation_prompt=True)[0] for _, question in asked]
    stop = {model.tokenizer.special("turn"), model.tokenizer.special("end")}
    said: list[Generated] = []
    with report.bar("chat", count, "answers") as bar, scoring(model.network, precision):
        for start in range(0, count, batch_size):
            keys = [id for id, _ in asked[start : start + batch_size]]
            said += generate(model.network, prompts[start : start + batch_size], sampling, stop=stop, seed=seed, keys=keys,
                             batch_size=batch_size)  # fmt: skip
            bar.advance(len(keys))
    failures = [failure(answer, model.tokenizer) for answer in said]
    rate, error = proportion([reason is None for reason in failures])
    shown = sorted(range(count), key=lambda index: failures[index] is None)[:EXAMPLES]
    return {
        "rate": rounded(rate),
        "standard_error": rounded(error),
        "count": count,
        "failures": {reason: failures.count(reason) for reason in REASONS if reason in failures},
        "examples": [
            {"prompt": asked[index][1][-1].content, "answer": model.tokenizer.decode(said[index].tokens), "failure": failures[index]}
            for index in shown
        ],
    }


def failure(answer: Generated, tokenizer: Tokenizer) -> str | None:
    """Which rule of the template an answer breaks, if any; the first of REASONS."""
    specials = tokenizer.special_ids
    text = tokenizer.decode(id for id in answer.tokens if id not in specials)
    if answer.stopped_by is None:
        return "not ended"
    if answer.stopped_by != tokenizer.special("turn"):
        return "ended by another token"
    if specials.intersection(answer.tokens):
        return "special token inside"
    if UNKNOWN in text:
        return "not UTF-8"
    return None if text.strip() else "empty"


def _up_to_last_user(messages: Sequence[Message]) -> list[Message]:
    """The dialogue as the model is asked to answer it; empty when nobody asks."""
    last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    return list(messages[: last + 1])
