from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.evaluation import tasks
from headwater.evaluation.config import Completion, Continuation
from headwater.evaluation.tasks import Bench, completion_questions, continuation_questions, run_task
from headwater.evaluation.texts import Text
from headwater.generation.generate import Generated

Documents = dict[str, list[Text]]


@pytest.fixture
def bench(model: Callable[..., Any], documents: Documents) -> Bench:
    return Bench(model(), documents["validation"], documents["train"], 1, 96, 8, "fp32", Reporter())


SHORT = Continuation(shots=1, context_characters=40, answer_characters=30)


def test_choices_are_the_true_answer_and_those_of_others_of_the_language(bench: Bench) -> None:
    texts = {text.id: text for text in bench.held_out}
    questions = continuation_questions(SHORT, bench)
    answers = {question.excerpt.answer: question.excerpt.language for question in questions}
    assert len({question.excerpt.document for question in questions}) == len(questions) == 40
    for question in questions:
        assert question.choices[question.truth] == question.excerpt.answer
        assert question.excerpt.whole in texts[question.excerpt.document].text
        assert len(set(question.choices)) == 4
        assert {answers[choice] for choice in question.choices} == {question.excerpt.language}
    assert len({question.truth for question in questions}) == 4


def test_shots_come_from_training_documents_of_the_language(bench: Bench) -> None:
    trained = {text.id: text for text in bench.training}
    for question in continuation_questions(SHORT, bench):
        (shot,) = question.shots
        assert shot.language == question.excerpt.language
        assert shot.whole in trained[shot.document].text


def test_a_model_that_knows_nothing_scores_at_chance(model: Callable[..., Any], documents: Documents) -> None:
    bench = Bench(model(uniform=True), documents["validation"], documents["train"], 0, 96, 8, "fp32", Reporter())
    shares = [run_task(SHORT, replace(bench, seed=seed))["value"] for seed in range(6)]
    assert np.mean(shares) == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 240))


def test_a_model_that_knows_the_held_out_text_is_always_right(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in a held-out document costs nothing, anything else a nat a token."""

    def knowing(network: Any, sequences: Sequence[list[int]], *_: Any, **__: Any) -> list[np.ndarray]:
        held_out = {text.text for text in bench.held_out}
        said = [bench.tokenizer.decode(sequence).split("<|end|>")[-1] for sequence in sequences]
        costs = [0.0 if any(text in whole for whole in held_out) else 1.0 for text in said]
        return [np.full(len(sequence) - 1, cost) for sequence, cost in zip(sequences, costs, strict=True)]

    monkeypatch.setattr(tasks, "token_nats", knowing)
    result = run_task(replace_shots(SHORT, 0), replace(bench, context=400))
    assert (result["value"], result["acc"], result["standard_error"]) == (1, 1, 0)


def replace_shots(config: Continuation, shots: int) -> Continuation:
    return config.model_copy(update={"shots": shots})


def test_the_answers_tokens_alone_are_scored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shots and context are free here; each token of an answer costs its place among its bytes, so longer answers cost more."""
    config = replace_shots(SHORT, 0)
    questions = continuation_questions(config, bench)

    def costly_prompts(network: Any, sequences: Sequence[list[int]], *_: Any, **__: Any) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        found = []
        for index, sequence in enumerate(sequences):
            question, choice = questions[index // 4], index % 4
            answer = bench.tokenizer.encode(question.excerpt.gap + question.choices[choice])
            assert sequence[-len(answer) :] == answer
            nats = rng.uniform(0, 100, len(sequence) - 1)
            nats[-len(answer) :] = 0.5 if choice == question.truth else 1.0
            found.append(nats)
        return found

    monkeypatch.setattr(tasks, "token_nats", costly_prompts)
    assert run_task(config, bench)["value"] == 1


def test_the_figure_is_per_byte_and_acc_is_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte of a true answer costs a little less than one of a wrong answer: per byte always right, in all only if short."""
    config = replace_shots(SHORT, 0)
    questions = continuation_questions(config, bench)

    def nearly_even(network: Any, sequences: Sequence[list[int]], *_: Any, **__: Any) -> list[np.ndarray]:
        found = []
        for index, sequence in enumerate(sequences):
            question, choice = questions[index // 4], index % 4
            nats = np.zeros(len(sequence) - 1)
            nats[-len(question.choices[choice].encode()) :] = 0.95 if choice == question.truth else 1.0
            found.append(nats)
        return found

    monkeypatch.setattr(tasks, "token_nats", nearly_even)
    sizes = [[len(choice.encode()) for choice in question.choices] for question in questions]
    shortest = [
        0.95 * size[question.truth] < min(size[: question.truth] + size[question.truth + 1 :])
        for question, size in zip(questions, sizes, strict=True)
    ]
    result = run_task(config, bench)
    assert (result["value"], result["acc"]) == (1, pytest.approx(np.mean(shortest), abs=1e-5))
    assert result["acc"] < 1


def test_chance_is_measured_on_other_answers_only(bench: Bench) -> None:
    questions = completion_questions(Completion(context_characters=40, answer_characters=20), bench)
    assert all(question.choices and question.excerpt.answer not in question.choices for question in questions)


def test_prompts_fit_and_whole_shots_go_first(bench: Bench) -> None:
    questions = continuation_questions(replace_shots(SHORT, 3), bench)
    for room in (1000, 100, 60, 10, 1):
        for question in questions[:10]:
            prompt = tasks._prompt(bench, question, room)
            asked = bench.tokenizer.encode(question.excerpt.context)
            assert prompt[0] == bench.end
            assert len(prompt) <= room
            assert prompt[-min(len(asked), room - 1) :] == asked[-(room - 1) :] or room == 1
            if room == 1000:
                assert prompt.count(bench.end) == 4
            if room == 100:
                assert prompt.count(bench.end) < 4


def test_results_are_a_function_of_the_seed_and_not_of_the_batch(bench: Bench) -> None:
    for config in (SHORT, Completion(context_characters=40, answer_characters=16, max_tokens=8)):
        first = run_task(config, bench)
        assert first == run_task(config, replace(bench, batch_size=3))
        assert first != run_task(config, replace(bench, seed=2))
        assert set(first["by_language"]) == {"en", "zh"}
        assert sum(figure["count"] for figure in first["by_language"].values()) == first["count"] == 40
        assert len(first["examples"]) == 4


def answering(answer: Callable[[str], str], bench: Bench) -> Callable[..., list[Generated]]:
    def generate(network: Any, prompts: Sequence[list[int]], *_: Any, keys: Sequence[str], **__: Any) -> list[Generated]:
        return [Generated(bench.tokenizer.encode(answer(key)), None) for key in keys]

    return generate


def test_completion_between_silence_and_the_truth(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Completion(context_characters=40, answer_characters=20)
    truths = {question.excerpt.document: question.excerpt for question in completion_questions(config, bench)}
    monkeypatch.setattr(tasks, "generate", answering(lambda document: "", bench))
    assert run_task(config, bench)["value"] == 0
    monkeypatch.setattr(tasks, "generate", answering(lambda document: truths[document].gap + truths[document].answer + " and so on", bench))
    result = run_task(config, bench)
    assert result["value"] == 1  # what is said beyond the true answer's length is not scored
    assert 0 < result["chance"] < 1


def test_another_texts_true_answer_scores_at_chance(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Completion(context_characters=40, answer_characters=20)
    questions = {question.excerpt.document: question for question in completion_questions(config, bench)}
    monkeypatch.setattr(tasks, "generate", answering(lambda document: questions[document].choices[0], bench))
    result = run_task(config, bench)
    assert result["value"] == pytest.approx(result["chance"], abs=3 * result["standard_error"])


@pytest.mark.parametrize("config", [SHORT, Completion()])
def test_too_little_text_is_a_reason_and_no_text_an_error(bench: Bench, config: Any) -> None:
    result = run_task(config, replace(bench, held_out=bench.held_out[:6]))
    assert "held-out documents give a question" in result["skipped"]
    with pytest.raises(HeadwaterError, match="no held-out document to ask about"):
        run_task(config, replace(bench, held_out=[]))
