"""Targets that are written from sources: how the pairs stand in rows, and how good what is written is.

What is learned is objectives/seq2seq.py's. Held-out sources are answered greedily, as a decoder (source and answer in one row) or by an
encoder and a decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.alignment.examples_rows import Pair, row
from headwater.alignment.finetune_config import Sequences
from headwater.alignment.finetune_lesson import Lesson, compared
from headwater.core.errors import HeadwaterError
from headwater.evaluation.chrf import chrf
from headwater.generation.generate import generate
from headwater.generation.reading import Reading
from headwater.generation.sampling import Sampling
from headwater.model.network import Network
from headwater.model.parts import HeadConfig
from headwater.objectives.data import unigram_entropy
from headwater.objectives.seq2seq import Pair as Ids
from headwater.objectives.seq2seq import PairData, PairRows, held_out_pairs
from headwater.objectives.specials import Specials
from headwater.training.loss import mean_loss


class Pairs:
    def __init__(self, lesson: Lesson) -> None:
        task = lesson.config.task
        assert isinstance(task, Sequences)
        self.lesson, self.task = lesson, task
        self.specials = Specials.of(lesson.tokenizer)
        self.how = PairRows.of(task.objective, lesson.model, self.specials)
        self.counts = {"cut": 0, "too_long": 0}
        learned = [self._ids(pair) for pair in lesson.found.learned]
        self.held_out = [self._ids(pair) for pair in lesson.found.held_out]
        # A source is cut so that the longest target fits beside it, though not below half of the row; a cut target would teach a false end.
        longest = max(len(target) + 1 for _, target in learned)
        room = max(self.how.context // 2, self.how.context - longest) - 1 if self.how.one_row else self.how.context - 1
        ids = [example.id for example in lesson.found.learned]
        self.data = PairData([self._cut(pair, room) for pair in learned], ids, self.how, lesson.rows, lesson.seed, task.decay)
        self.held_out = [self._cut(pair, room) for pair in self.held_out]
        self.fitting = [place for place, pair in enumerate(self.held_out) if self.how.fits(pair) and pair[1]]
        if not self.fitting:
            raise HeadwaterError(f"no held-out pair fits into rows of {self.how.context} tokens", where="finetune.sources",
                                 mend="lengthen the model's context, or give shorter pairs")  # fmt: skip
        self.counts["too_long"] = self.data.left_out + len(self.held_out) - len(self.fitting)

    @property
    def head(self) -> HeadConfig:
        return self.lesson.model.head

    @property
    def rows_per_epoch(self) -> int:
        return self.data.rows_per_epoch

    def _ids(self, pair: Pair) -> Ids:
        return self.lesson.tokenizer.encode(pair.source), self.lesson.tokenizer.encode(pair.target)

    def _cut(self, pair: Ids, room: int) -> Ids:
        self.counts["cut"] += len(pair[0]) > room
        return pair[0][:room], pair[1]

    def look(self, network: Network, places: Sequence[int]) -> dict[str, Any]:
        """Without answers: writing takes far longer than reading."""
        return {"loss": self._loss(network, [place for place in places if place in set(self.fitting)] or self.fitting[:1])}

    def _loss(self, network: Network, places: Sequence[int]) -> float:
        """Nats per target token."""
        return mean_loss(network, held_out_pairs([self.held_out[place] for place in places], self.how, self.lesson.at_once))

    def answer(self, network: Network, places: Sequence[int]) -> list[dict[str, Any]]:
        end, decoder = self.specials["end"], self.how.one_row
        sources = [[*self.held_out[place][0], end] for place in places]
        prompts = sources if decoder else [[self.specials.start]] * len(places)
        sampling = Sampling(temperature=0, max_tokens=min(self.task.max_tokens, self.how.context - (0 if decoder else 1)))
        written = generate(network, prompts, sampling, stop={end}, seed=self.lesson.seed, batch_size=self.lesson.at_once,
                           sources=None if decoder else sources, reading=Reading(prefix=decoder))  # fmt: skip
        special = self.lesson.tokenizer.special_ids
        texts = [self.lesson.tokenizer.decode(id for id in each.tokens if id not in special) for each in written]
        return [{**row(self.lesson.found.held_out[place]), "said": text} for place, text in zip(places, texts, strict=True)]

    def judge(self, network: Network) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        answers = self.answer(network, range(len(self.held_out)))
        figures = {"loss": self._loss(network, self.fitting), **_figures([each["said"] for each in answers], answers)}
        return {**figures, "baseline": self._baseline(answers)}, answers

    def _baseline(self, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Nats of who knows how often each token is a target, and nothing else; and what copying the source would be worth."""
        batches = held_out_pairs([self.held_out[place] for place in self.fitting], self.how, self.lesson.at_once)
        copied = _figures([each["source"] for each in answers], answers)
        return {"unigram_entropy": unigram_entropy(batches), "copying": copied}

    def finish(self, network: Network) -> None:
        """They are kept as they are."""

    def told(self, figures: dict[str, Any]) -> str:
        base = figures["baseline"]["unigram_entropy"]
        said = f"{figures['loss']:.3f} nats a target token, chrF {figures['chrf']:.3f} on {len(self.held_out):,} held-out pairs"
        return compared(said, figures["loss"] >= base, f"knowing frequencies alone: {base:.3f} nats")


def _figures(said: Sequence[str], answers: Sequence[dict[str, Any]]) -> dict[str, float]:
    pairs = [(text, each["target"]) for text, each in zip(said, answers, strict=True)]
    return {
        "chrf": sum(chrf(*pair) for pair in pairs) / len(pairs),
        "exact": sum(text.split() == target.split() for text, target in pairs) / len(pairs),
    }
