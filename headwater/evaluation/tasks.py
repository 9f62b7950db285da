"""What can the model do with a text that it has not seen? Two tasks made from any corpus's own held-out documents.

    continuation   multiple choice: which of these truly follows? Wrong choices truly follow other held-out texts of the language
    completion     generation: go on; scored by chrF against how the text truly goes on

In: a model, held-out documents to ask about, training documents for worked examples ("shots"). Out: one result a task,
`{"name", "kind", "shots", "metric", "value", "standard_error", "chance", "count", "by_language", "examples"}`, each beside the
level that knowing nothing of the question reaches. Too little text makes a result with `"skipped": reason` instead.

Which documents are asked, where they are cut and what the wrong choices are is drawn from (seed, task, document): the same
for every model, so that models can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.random import stream
from headwater.evaluation.chrf import chrf
from headwater.evaluation.config import Completion, Continuation
from headwater.evaluation.excerpts import Excerpt, excerpt
from headwater.evaluation.perplexity import Precision, scoring, token_nats
from headwater.evaluation.statistics import by_language, mean, proportion, rounded
from headwater.evaluation.texts import Text
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model.directory import Model
from headwater.tokens.tokenizer import Tokenizer

FEWEST = 10  # questions; below, a share says nothing
EXAMPLES = 4
OTHERS = 8  # other answers that the chance level of a completion is measured on, a question


@dataclass(frozen=True)
class Bench:
    """What every task is run with."""

    model: Model
    held_out: Sequence[Text]
    training: Sequence[Text]
    seed: int
    context: int
    batch_size: int
    precision: Precision
    report: Reporter

    @property
    def tokenizer(self) -> Tokenizer:
        return self.model.tokenizer

    @property
    def end(self) -> int:
        return self.tokenizer.special("end")


@dataclass(frozen=True)
class Question:
    """Choices stand in the order shown; `truth` is the place of the true one."""

    excerpt: Excerpt
    choices: list[str]
    truth: int
    shots: list[Excerpt]


def run_task(config: Continuation | Completion, bench: Bench) -> dict[str, Any]:
    """Raises HeadwaterError when there is no held-out document at all."""
    if not bench.held_out:
        raise HeadwaterError(
            "there is no held-out document to ask about", where="evaluate.tasks", mend="give more text, or hold out more of it"
        )
    found = continuation(config, bench) if isinstance(config, Continuation) else completion(config, bench)
    return {"name": config.label, "kind": config.kind, "shots": config.shots, **found}


def continuation(config: Continuation, bench: Bench) -> dict[str, Any]:
    """Choose what costs the fewest nats a byte (acc_norm, the figure), or in all (acc)."""
    questions = continuation_questions(config, bench)
    if len(questions) < min(FEWEST, config.questions):
        return _skipped(questions, bench)
    sequences, answer_tokens = [], []
    for question in questions:
        answers = [bench.tokenizer.encode(question.excerpt.gap + choice) for choice in question.choices]
        prompt = _prompt(bench, question, bench.context + 1 - max(map(len, answers)))
        sequences += [[*prompt, *answer] for answer in answers]
        answer_tokens += [len(answer) for answer in answers]
    with bench.report.bar(config.label, sum(map(len, sequences)) - len(sequences), "tokens") as bar:
        nats = token_nats(bench.model.network, sequences, bench.context, bench.batch_size, bench.precision, bar=bar)
    sums = [float(part[len(part) - count :].sum()) for part, count in zip(nats, answer_tokens, strict=True)]
    costs = np.array(sums).reshape(len(questions), config.choices)
    sizes = np.array([[len(choice.encode()) for choice in question.choices] for question in questions])
    truths = np.array([question.truth for question in questions])
    right = (costs / sizes).argmin(axis=1) == truths
    right_unnormed = costs.argmin(axis=1) == truths

    def figure(items: list[int]) -> dict[str, Any]:
        share, error = proportion(right[items].tolist())
        unnormed = {"acc": rounded(proportion(right_unnormed[items].tolist())[0])}
        return {
            "value": rounded(share),
            "standard_error": rounded(error),
            "chance": rounded(1 / config.choices),
            "count": len(items),
            **unnormed,
        }

    def example(item: int) -> dict[str, Any]:
        question = questions[item]
        scores = [rounded(float(cost)) for cost in costs[item] / sizes[item]]
        return {"choices": question.choices, "nats_per_byte": scores, "truth": question.truth, "right": bool(right[item])}

    return {"metric": "acc_norm", **_figures(questions, figure, example)}


def completion(config: Completion, bench: Bench) -> dict[str, Any]:
    """chrF of greedy answers, and of other questions' true answers, each cut to the length of the true one."""
    questions = completion_questions(config, bench)
    if len(questions) < min(FEWEST, config.questions):
        return _skipped(questions, bench)
    prompts = [_prompt(bench, question, bench.context - config.max_tokens) for question in questions]
    keys = [question.excerpt.document for question in questions]
    answers: list[str] = []
    with bench.report.bar(config.label, len(questions), "answers") as bar, scoring(bench.model.network, bench.precision):
        for start in range(0, len(questions), bench.batch_size):
            batch = slice(start, start + bench.batch_size)
            sampling = Sampling(temperature=0, max_tokens=config.max_tokens)
            found = generate(bench.model.network, prompts[batch], sampling, stop={bench.end}, seed=bench.seed, keys=keys[batch],
                             batch_size=bench.batch_size)  # fmt: skip
            answers += [bench.tokenizer.decode(answer.tokens).lstrip() for answer in found]
            bar.advance(len(found))
    truths = [question.excerpt.answer for question in questions]
    answers = [answer[: len(truth)] for answer, truth in zip(answers, truths, strict=True)]
    scores = [chrf(answer, truth) for answer, truth in zip(answers, truths, strict=True)]
    by_chance = [
        mean([chrf(other[: len(truth)], truth) for other in question.choices])[0] for question, truth in zip(questions, truths, strict=True)
    ]

    def figure(items: list[int]) -> dict[str, Any]:
        value, error = mean([scores[item] for item in items])
        chance = mean([by_chance[item] for item in items])[0]
        return {"value": rounded(value), "standard_error": rounded(error), "chance": rounded(chance), "count": len(items)}

    def example(item: int) -> dict[str, Any]:
        return {"answer": answers[item], "truth": truths[item], "score": rounded(scores[item])}

    return {"metric": "chrF", **_figures(questions, figure, example)}


def _skipped(questions: Sequence[Question], bench: Bench) -> dict[str, Any]:
    return {
        "skipped": f"only {len(questions)} of {len(bench.held_out):,} held-out documents give a question (at least {FEWEST} are needed): "
        "the others are too short to be cut, or too few of their language"
    }


def continuation_questions(config: Continuation, bench: Bench) -> list[Question]:
    """One question a document, each with wrong choices that differ from the true one and from each other."""
    asked = _excerpts(config, bench, bench.held_out, config.questions)
    examples = _Shots(config, bench)
    questions = []
    for item in asked:
        rng = _rng(config, bench, "choices", item.document)
        pool = sorted({other.answer for other in asked if other.language == item.language} - {item.answer})
        if len(pool) < config.choices - 1:
            continue
        choices = [pool[place] for place in rng.choice(len(pool), config.choices - 1, replace=False)]
        truth = int(rng.integers(config.choices))
        choices.insert(truth, item.answer)
        questions.append(Question(item, choices, truth, examples.draw(item, rng)))
    return questions


def completion_questions(config: Completion, bench: Bench) -> list[Question]:
    """One question a document; its choices are true answers to others, which measure chance, and no true one."""
    asked = _excerpts(config, bench, bench.held_out, config.questions)
    examples = _Shots(config, bench)
    questions = []
    for item in asked:
        rng = _rng(config, bench, "choices", item.document)
        pool = [other.answer for other in asked if other.language == item.language and other is not item]
        if pool:
            others = [pool[place] for place in rng.permutation(len(pool))[:OTHERS]]
            questions.append(Question(item, others, -1, examples.draw(item, rng)))
    return questions


def _figures(
    questions: Sequence[Question], figure: Callable[[list[int]], dict[str, Any]], example: Callable[[int], dict[str, Any]]
) -> dict[str, Any]:
    """The figure over all questions and by language, with a few examples evenly spaced over the questions."""
    figures = by_language([question.excerpt.language for question in questions], figure)
    shown = [index * len(questions) // EXAMPLES for index in range(min(EXAMPLES, len(questions)))]
    examples = [
        {"prompt": questions[item].excerpt.context, "language": questions[item].excerpt.language, **example(item)} for item in shown
    ]
    return {**figures.pop("all"), "by_language": figures, "examples": examples}


def _prompt(bench: Bench, question: Question, room: int) -> list[int]:
    """End token, shots each closed by the end token, and the question's context; what does not fit falls away from the front,
    whole shots first."""
    asked = bench.tokenizer.encode(question.excerpt.context)
    shots = [[*bench.tokenizer.encode(shot.whole), bench.end] for shot in question.shots]
    while shots and 1 + sum(map(len, shots)) + len(asked) > room:
        shots.pop(0)
    return [bench.end, *(id for shot in shots for id in shot), *asked[max(0, len(asked) - max(room - 1, 0)) :]]


def _excerpts(config: Continuation | Completion, bench: Bench, documents: Sequence[Text], most: int) -> list[Excerpt]:
    """Excerpts of at most so many documents, drawn in an order of their own; documents that cannot be cut are passed over."""
    found = []
    for place in _rng(config, bench, "documents", len(documents)).permutation(len(documents)):
        document = documents[place]
        cut = excerpt(document, config.context_characters, config.answer_characters, _rng(config, bench, "cut", document.id),
                      whole_sentences=config.kind == "continuation")  # fmt: skip
        if cut is not None:
            found.append(cut)
        if len(found) == most:
            break
    return found


class _Shots:
    """Worked examples by language, cut from training documents just as questions are."""

    def __init__(self, config: Continuation | Completion, bench: Bench) -> None:
        self.count = config.shots
        self.pools: dict[str | None, list[Excerpt]] = {}
        for cut in _excerpts(config, bench, bench.training, len(bench.training)) if config.shots else []:
            self.pools.setdefault(cut.language, []).append(cut)

    def draw(self, asked: Excerpt, rng: np.random.Generator) -> list[Excerpt]:
        pool = self.pools.get(asked.language, [])
        return [pool[place] for place in rng.permutation(len(pool))[: self.count]]


def _rng(config: Continuation | Completion, bench: Bench, *key: str | int) -> np.random.Generator:
    return stream(bench.seed, "evaluate", config.label, *key)
