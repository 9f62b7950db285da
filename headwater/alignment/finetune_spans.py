"""Where in a text does the answer stand? Questions in windows over their texts, and the likeliest span of all windows.

    cls question sep window sep        an answer's first and last token, or the first token of the row for a window without it

As BERT's for SQuAD (Devlin et al. 2019, sections 4.2 and 4.3): windows overlap, an answer's score is the sum of its two logits, and no
answer is said where the row's first token scores more, in every window. Legend: B rows, T positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from headwater.alignment.examples_rows import Question, row
from headwater.alignment.finetune_config import Span
from headwater.alignment.finetune_lesson import Lesson, compared
from headwater.alignment.metrics_answers import exact, f1
from headwater.core.errors import HeadwaterError
from headwater.generation.reading import evaluating
from headwater.model.network import Network
from headwater.model.parts import SpanHead
from headwater.objectives.labelled import Item, LabelledData, TextRows


@dataclass(frozen=True)
class Window:
    """A row; `places` are the characters of the text that its tokens from `offset` on stand for."""

    item: Item
    label: tuple[int, int]
    offset: int
    places: list[tuple[int, int]]


class Spans:
    def __init__(self, lesson: Lesson) -> None:
        task = lesson.config.task
        assert isinstance(task, Span)
        self.lesson, self.task = lesson, task
        self.how = TextRows.of(lesson.model, lesson.tokenizer)
        self.counts = {"windows": 0, "cut": 0}
        self.held_out = [self._windows(example) for example in lesson.found.held_out]
        learned = [window.item for example in lesson.found.learned for window in self._windows(example)]
        self.data = LabelledData(learned, self.how, lesson.rows, lesson.seed)
        self.may_say_nothing = any(not example.answers for example in lesson.found.learned)

    @property
    def head(self) -> SpanHead:
        return SpanHead()

    @property
    def rows_per_epoch(self) -> int:
        return self.data.rows_per_epoch

    def _windows(self, example: Question) -> list[Window]:
        question = self.lesson.tokenizer.encode(example.question)
        self.counts["cut"] += len(question) > self.task.longest_question
        question = question[: self.task.longest_question]
        ids, places = self.lesson.tokenizer.encode_placed(example.context)
        room, offset = self.how.room(2) - len(question), len(question) + 2
        if room < 1:
            raise HeadwaterError(f"a question of {len(question)} tokens leaves no room for its text in {self.how.context}",
                                 where=example.id, mend="lower finetune.task.longest_question")  # fmt: skip
        answer = _tokens_of(places, *example.answers[0]) if example.answers else None
        windows = []
        for start in range(0, max(1, len(ids)), min(self.task.stride, room)):
            stop = min(start + room, len(ids))
            inside = answer is not None and start <= answer[0] and answer[1] < stop
            label = (offset + answer[0] - start, offset + answer[1] - start) if inside and answer is not None else (0, 0)
            item = Item(self.how.row(question, ids[start:stop]), label, example.id)
            windows.append(Window(item, label, offset, places[start:stop]))
            if stop == len(ids):
                break
        self.counts["windows"] += len(windows)
        return windows

    def _said(self, network: Network, places: Sequence[int]) -> tuple[list[str], float]:
        """An answer to each question, and nats per window (the mean of its two choices)."""
        windows = [window for place in places for window in self.held_out[place]]
        found: list[tuple[float, float, int, int]] = []  # best score, score of no answer, first and last token among the text's
        nats = 0.0
        with evaluating(network):
            for number, batch in enumerate(self.how.in_batches([window.item for window in windows], self.lesson.at_once)):
                real_BT = batch.inputs.real_BT
                assert real_BT is not None and batch.labels is not None
                logits_BT2 = network(batch.inputs).double().masked_fill(~real_BT[..., None], -math.inf)
                nats += float(functional.cross_entropy(logits_BT2, batch.labels, reduction="sum")) / 2
                for logits_T2, window in zip(logits_BT2, windows[number * self.lesson.at_once :], strict=False):
                    found.append(self._best(logits_T2, window))
        answers, at = [], 0
        for place in places:
            few = list(zip(found[at : at + len(self.held_out[place])], self.held_out[place], strict=True))
            at += len(few)
            (score, _, first, last), window = max(few, key=lambda each: each[0][0])
            nothing = self.may_say_nothing and min(each[1] for each, _ in few) > score
            text = self.lesson.found.held_out[place].context
            answers.append("" if nothing or not window.places else text[window.places[first][0] : window.places[last][1]].strip())
        return answers, nats / len(windows)

    def _best(self, logits_T2: torch.Tensor, window: Window) -> tuple[float, float, int, int]:
        """The likeliest span of at most `longest_answer` tokens of the text."""
        nothing = float(logits_T2[0].sum())
        T = len(window.places)
        if not T:
            return -math.inf, nothing, 0, 0
        of_text_T2 = logits_T2[window.offset : window.offset + T]
        scores_TT = of_text_T2[:, 0, None] + of_text_T2[None, :, 1]
        length_TT = torch.arange(T)[None, :] - torch.arange(T)[:, None]
        allowed_TT = (length_TT >= 0) & (length_TT < self.task.longest_answer)
        best = int(scores_TT.masked_fill(~allowed_TT, -math.inf).argmax())
        return float(scores_TT.flatten()[best]), nothing, best // T, best % T

    def look(self, network: Network, places: Sequence[int]) -> dict[str, Any]:
        said, loss = self._said(network, places)
        return {"loss": loss, **self._figures(said, places)}

    def _figures(self, said: Sequence[str], places: Sequence[int]) -> dict[str, float]:
        right = [[text for _, text in self.lesson.found.held_out[place].answers] for place in places]
        pairs = list(zip(said, right, strict=True))
        return {"exact": sum(exact(*pair) for pair in pairs) / len(pairs), "f1": sum(f1(*pair) for pair in pairs) / len(pairs)}

    def answer(self, network: Network, places: Sequence[int]) -> list[dict[str, Any]]:
        return self._answers(self._said(network, places)[0], places)

    def _answers(self, said: Sequence[str], places: Sequence[int]) -> list[dict[str, Any]]:
        return [{**row(self.lesson.found.held_out[place]), "said": text} for place, text in zip(places, said, strict=True)]

    def judge(self, network: Network) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        places = range(len(self.held_out))
        said, loss = self._said(network, places)
        return {"loss": loss, **self._figures(said, places), "baseline": self._baseline(places)}, self._answers(said, places)

    def _baseline(self, places: Sequence[int]) -> dict[str, Any]:
        """Always the whole text, or always nothing: whichever has the higher F1."""
        whole = self._figures([example.context for example in self.lesson.found.held_out], places)
        nothing = self._figures([""] * len(places), places)
        return {"says": "the whole text", **whole} if whole["f1"] >= nothing["f1"] else {"says": "nothing", **nothing}

    def finish(self, network: Network) -> None:
        """They are kept as they are."""

    def told(self, figures: dict[str, Any]) -> str:
        base = figures["baseline"]
        said = f"exact match {figures['exact']:.3f}, F1 {figures['f1']:.3f} on {len(self.held_out):,} held-out questions"
        return compared(said, figures["f1"] <= base["f1"], f"{base['says']} as the answer: F1 {base['f1']:.3f}")


def _tokens_of(places: Sequence[tuple[int, int]], start: int, answer: str) -> tuple[int, int] | None:
    """First and last of the tokens that stand for a part of the answer; None where the tokenizer threw all of it away."""
    stop = start + len(answer)
    inside = [number for number, (begin, end) in enumerate(places) if begin < stop and end > start]
    return (inside[0], inside[-1]) if inside else None
