"""Which continuation is likeliest as a whole? Several are kept at each step, and those that ended are compared by their length.

In: prompts (and sources, for an encoder–decoder). Out: for each its finished hypotheses, best first. A hypothesis that ended after n
tokens, its end included, scores log p / n^length_penalty (Wu et al. 2016, equation 14, in the plainer form that transformers has, whose
rules for what is kept and when a search ends are followed here to the token). Rows of all prompts are read together; a prompt's search
depends on no other's. Legend: B prompts, R rows (a running hypothesis each), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from headwater.core.config import Config
from headwater.core.errors import HeadwaterError
from headwater.generation.reading import Logits, Reader, Reading, check_sources
from headwater.model.network import Network

Floats = NDArray[np.float64]


class Beam(Config):
    """Beam search (Graves 2012). A positive `length_penalty` favours long answers, a negative one short ones.

    A search ends when no running hypothesis can still enter the best `beams`, judged by its present length; with `early_stopping`
    as soon as there are `beams` finished ones; with "never" only when none could even at the greatest length.
    """

    beams: PositiveInt = 4
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    max_tokens: PositiveInt = 128


@dataclass(frozen=True)
class Hypothesis:
    """An answer without the token that ended it, and its score; `stopped_by` is None where max_tokens ended it."""

    tokens: list[int]
    score: float
    stopped_by: int | None


def search(
    network: Network,
    prompts: Sequence[Sequence[int]],
    beam: Beam,
    *,
    stop: Collection[int],
    batch_size: int = 8,
    sources: Sequence[Sequence[int]] | None = None,
    reading: Reading | None = None,
) -> list[list[Hypothesis]]:
    """At most `beams` hypotheses a prompt, best first. `batch_size` prompts are searched together.

    Raises HeadwaterError where a prompt is empty, or where it and `max_tokens` do not fit the context: a search does not forget.
    """
    for prompt in prompts:
        _check(prompt, beam, network.config.context)
    if sources is not None:
        check_sources(sources, len(prompts))
    found: list[list[Hypothesis]] = []
    for start in range(0, len(prompts), batch_size):
        few = slice(start, start + batch_size)
        found += _search(network, prompts[few], beam, frozenset(stop), None if sources is None else sources[few], reading)
    return found


def _check(prompt: Sequence[int], beam: Beam, context: int) -> None:
    if not prompt:
        raise HeadwaterError("an empty prompt", where="beam search", mend="begin with text, or with the <|end|> token")
    longest = len(prompt) + beam.max_tokens - 1
    if longest > context:
        raise HeadwaterError(f"a prompt of {len(prompt)} tokens and {beam.max_tokens} more exceed the model's context of {context}",
                             where="beam search", mend="shorten the prompt or lower max_tokens")  # fmt: skip


def _search(
    network: Network,
    prompts: Sequence[Sequence[int]],
    beam: Beam,
    stop: frozenset[int],
    sources: Sequence[Sequence[int]] | None,
    reading: Reading | None,
) -> list[list[Hypothesis]]:
    searches = [_Search(beam, stop) for _ in prompts]
    reader = Reader(network, len(prompts), max(map(len, prompts)) + beam.max_tokens - 1, reading, sources, beam.max_tokens - 1)
    logits_RV = reader.read(prompts)
    going, rows_before = searches, [1] * len(searches)
    while True:
        first_rows = np.cumsum([0, *rows_before])
        kept, parents, tokens = [], [], []
        for one, first, count in zip(going, first_rows, rows_before, strict=False):
            one.step(logits_RV[first : first + count])
            if not one.ended:
                kept.append(one)
                parents += [int(first) + run.parent for run in one.running]
                tokens += [run.tokens[-1] for run in one.running]
        if not kept:
            return [[Hypothesis(run.tokens, score, run.stopped_by) for score, run in one.finished] for one in searches]
        reader.keep(parents)
        logits_RV = reader.next(tokens)
        going, rows_before = kept, [len(one.running) for one in kept]


@dataclass(frozen=True)
class _Run:
    """A hypothesis: the sum of its tokens' log-probabilities, and which running one it goes on from."""

    total: float
    tokens: list[int]
    parent: int = 0
    stopped_by: int | None = None


@dataclass
class _Search:
    """The state of one prompt's search."""

    beam: Beam
    stop: frozenset[int]
    running: list[_Run] = field(default_factory=lambda: [_Run(0.0, [])])
    finished: list[tuple[float, _Run]] = field(default_factory=list)  # best first
    ended: bool = False

    @property
    def full(self) -> bool:
        return len(self.finished) == self.beam.beams

    def step(self, logits_RV: Logits) -> None:
        """One more token, from the logits after each running hypothesis."""
        beams, length = self.beam.beams, len(self.running[0].tokens) + 1
        last = length == self.beam.max_tokens
        goes_on, ends = [], []
        for rank, run in enumerate(self._likeliest(logits_RV, max(2, 1 + len(self.stop)) * beams)):
            stopped = run.tokens[-1] in self.stop
            if not stopped and not last:
                goes_on.append(run)
            elif rank < beams:  # a worse one would not have been kept had it gone on
                ends.append(_Run(run.total, run.tokens[:-1], run.parent, run.tokens[-1]) if stopped else run)
        if not (self.full and self.beam.early_stopping is True):
            scored = [(run.total / length**self.beam.length_penalty, run) for run in ends]
            self.finished = sorted(self.finished + scored, key=lambda pair: -pair[0])[:beams]
        self.running = goes_on[:beams]
        self.ended = not self.running or not self._can_improve(length)

    def _likeliest(self, logits_RV: Logits, count: int) -> list[_Run]:
        """The best continuations by one token of all running hypotheses, best first; among equals the first hypothesis, the lowest id."""
        totals = np.array([run.total for run in self.running])[:, None] + log_softmax(logits_RV)
        flat = totals.ravel()
        count = min(count, flat.size)
        best = np.argpartition(-flat, count - 1)[:count]
        best = best[np.lexsort((best, -flat[best]))]
        vocabulary = totals.shape[1]
        return [_Run(float(flat[at]), [*self.running[at // vocabulary].tokens, int(at % vocabulary)], int(at // vocabulary)) for at in best]

    def _can_improve(self, length: int) -> bool:
        """Whether the best running hypothesis could enter the finished ones."""
        if not self.full:
            return True
        if self.beam.early_stopping is True:
            return False
        penalty = self.beam.length_penalty
        at = self.beam.max_tokens if self.beam.early_stopping == "never" and penalty > 0 else length
        possible: float = self.running[0].total / at**penalty
        return possible > self.finished[-1][0]


def log_softmax(logits_RV: Logits) -> Floats:
    """In fp64."""
    shifted_RV = logits_RV.astype(np.float64)
    shifted_RV -= shifted_RV.max(axis=-1, keepdims=True)
    logs_RV: Floats = shifted_RV - np.log(np.exp(shifted_RV).sum(axis=-1, keepdims=True))
    return logs_RV
