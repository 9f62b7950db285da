"""What does the network go on to say? Prompts in, continuations out, many rows at once with a cache.

    generate(network, prompts, sampling, stop={end}, seed=0)                       -> [Generated(tokens, stopped_by), …]
    generate(network, [[start]] * n, sampling, sources=sources, stop={end}, seed=0)    an encoder–decoder
    generate(network, prompts, sampling, reading=Reading(prefix=True), …)              a prefix decoder, or GLM
    stream(network, prompt, sampling, stop={end}, seed=0, key=0)                   -> token ids, one by one

A row's tokens depend on its prompt, source, `seed` and its key alone: not on the other rows, on how many there are, or on padding
(up to rounding of the network's own sums, some 1e-6, which can turn a choice only where two are that near).

The model's context is its limit. A prompt longer than that is read from its last `context` tokens; a row that has filled the
context goes on from the last half of it, read anew from position 0 as a prompt is, so that long texts go on at an even cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream as random_stream
from headwater.generation.reading import Logits, Reader, Reading, check_sources
from headwater.generation.sampling import Sampling
from headwater.generation.stop import StopStrings, Watch
from headwater.model.network import Network


@dataclass(frozen=True)
class Generated:
    """A continuation without the token that ended it; `stopped_by` is that token, or None when `max_tokens` came first.

    Asked for stop strings, `text` is what the tokens say before the first of them, and `stopped_by` is the string; its tokens are
    among `tokens`, since their borders need not be its own.
    """

    tokens: list[int]
    stopped_by: int | str | None
    text: str | None = None

    @property
    def finished(self) -> bool:
        return self.stopped_by is not None


def generate(
    network: Network,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    stop: Collection[int],
    seed: int,
    keys: Sequence[str | int] | None = None,
    batch_size: int = 32,
    sources: Sequence[Sequence[int]] | None = None,
    reading: Reading | None = None,
    stop_strings: StopStrings | None = None,
) -> list[Generated]:
    """Continue every prompt. Prompt i draws its numbers from the stream (seed, "generate", keys[i]); keys default to 0, 1, ….

    `batch_size` rows are decoded together, which changes speed and memory only. An encoder–decoder reads sources[i], and its prompt
    is what its decoder starts from. Raises HeadwaterError for an empty prompt or source, and for sources that nobody reads.
    """
    keys = range(len(prompts)) if keys is None else keys
    assert len(keys) == len(prompts), "one key a prompt"
    if sources is not None:
        check_sources(sources, len(prompts))
    rows = [
        _Row(prompt, seed, key, network.config.context, None if stop_strings is None else stop_strings.watch())
        for prompt, key in zip(prompts, keys, strict=True)
    ]
    for start in range(0, len(rows), batch_size):
        few = slice(start, start + batch_size)
        for _ in _decode(network, rows[few], sampling, frozenset(stop), None if sources is None else sources[few], reading or Reading()):
            pass  # the rows collect their own tokens
    return [row.result() for row in rows]


def stream(
    network: Network,
    prompt: Sequence[int],
    sampling: Sampling,
    *,
    stop: Collection[int],
    seed: int,
    key: str | int = 0,
    source: Sequence[int] | None = None,
    reading: Reading | None = None,
) -> Iterator[int]:
    """The tokens of one continuation as they come; equal to those of `generate` with the same seed and key.

    For stop strings, see `until` in generation/stop.py: it takes the text of these tokens and asks for no more than it needs.
    """
    row = _Row(prompt, seed, key, network.config.context)
    for _ in _decode(network, [row], sampling, frozenset(stop), None if source is None else [source], reading or Reading()):
        if not row.finished:
            yield row.written[-1]


@dataclass
class _Row:
    """One continuation in progress."""

    prompt: Sequence[int]
    seed: int
    key: str | int
    context: int
    watch: Watch | None = None
    written: list[int] = field(default_factory=list)
    stopped_by: int | str | None = None

    def __post_init__(self) -> None:
        if not self.prompt:
            raise HeadwaterError("an empty prompt", where=f"prompt {self.key}", mend="begin with text, or with the <|end|> token")
        self.seen = list(self.prompt[-self.context :])  # what the cache holds, or is about to
        self.said = set(self.prompt)
        self.numbers = random_stream(self.seed, "generate", self.key)

    @property
    def finished(self) -> bool:
        return self.stopped_by is not None

    def take(self, token: int, stop: frozenset[int]) -> None:
        if token in stop:
            self.stopped_by = token
            return
        self.written.append(token)
        self.said.add(token)
        if self.watch is not None:
            self.stopped_by = self.watch.add(token)

    def result(self) -> Generated:
        if self.watch is None:
            return Generated(self.written, self.stopped_by)
        self.stopped_by = self.watch.close() or self.stopped_by
        return Generated(self.written, self.stopped_by, self.watch.text)


def _decode(
    network: Network,
    rows: list[_Row],
    sampling: Sampling,
    stop: frozenset[int],
    sources: Sequence[Sequence[int]] | None,
    reading: Reading,
) -> Iterator[None]:
    """Write into the rows, one token each between two yields, until all have stopped or have `max_tokens`."""
    longest = max(len(row.seen) for row in rows) + sampling.max_tokens - 1
    if reading.blanks and longest > network.config.context:
        raise HeadwaterError(f"a text of {longest} tokens would not fit the model's context of {network.config.context}, and a blank has "
                             "its place in the whole text", where="prompt", mend="shorten the prompt, or ask for fewer tokens")  # fmt: skip
    reader = Reader(network, len(rows), min(longest, network.config.context), reading, sources, sampling.max_tokens - 1)
    logits_BV = reader.read([row.seen for row in rows])
    for count in range(1, sampling.max_tokens + 1):
        said = None if sampling.repetition_penalty == 1.0 else [row.said for row in rows]
        tokens = sampling.choose(logits_BV, np.array([row.numbers.random() for row in rows]), said)
        for row, token in zip(rows, tokens, strict=True):
            row.take(token, stop)
        yield
        going = [index for index, row in enumerate(rows) if not row.finished]
        if not going or count == sampling.max_tokens:
            return
        if len(going) < len(rows):
            rows = [rows[index] for index in going]
            reader.keep(going)
        logits_BV = _continue(rows, reader)


def _continue(rows: list[_Row], reader: Reader) -> Logits:
    """Read each row's newest token; give back `logits_BV` of what may follow."""
    for index, row in enumerate(rows):
        if len(row.seen) == row.context:
            row.seen = row.seen[row.context - row.context // 2 :]
            reader.read_anew(index, row.seen)
        row.seen.append(row.written[-1])
    return reader.next([row.written[-1] for row in rows])
