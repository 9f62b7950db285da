"""What does the network go on to say? Prompts in, continuations out, many rows at once with a cache.

    generate(network, prompts, sampling, stop={end}, seed=0)      -> [Generated(tokens, stopped_by), …]
    stream(network, prompt, sampling, stop={end}, seed=0, key=0)  -> token ids, one by one

A row's tokens depend on its prompt, `seed` and its key alone: not on the other rows, on how many there are, or on padding (up
to rounding of the network's own sums, some 1e-6, which can turn a choice only where two are that near).

The model's context is its limit. A prompt longer than that is read from its last `context` tokens; a row that has filled the
context goes on from the last half of it, read anew from position 0, so that long texts go on at an even cost.
Legend: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream as random_stream
from headwater.generation.sampling import Sampling
from headwater.model.cache import KVCache
from headwater.model.network import Network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Generated:
    """A continuation without the token that ended it; `stopped_by` is that token, or None when `max_tokens` came first."""

    tokens: list[int]
    stopped_by: int | None

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
) -> list[Generated]:
    """Continue every prompt. Prompt i draws its numbers from the stream (seed, "generate", keys[i]); keys default to 0, 1, ….

    `batch_size` rows are decoded together, which changes speed and memory only. Raises HeadwaterError for an empty prompt.
    """
    keys = range(len(prompts)) if keys is None else keys
    assert len(keys) == len(prompts), "one key a prompt"
    rows = [_Row(prompt, seed, key, network.config.context) for prompt, key in zip(prompts, keys, strict=True)]
    for start in range(0, len(rows), batch_size):
        for _ in _decode(network, rows[start : start + batch_size], sampling, frozenset(stop)):
            pass  # the rows collect their own tokens
    return [Generated(row.written, row.stopped_by) for row in rows]


def stream(
    network: Network, prompt: Sequence[int], sampling: Sampling, *, stop: Collection[int], seed: int, key: str | int = 0
) -> Iterator[int]:
    """The tokens of one continuation as they come; equal to those of `generate` with the same seed and key."""
    row = _Row(prompt, seed, key, network.config.context)
    for _ in _decode(network, [row], sampling, frozenset(stop)):
        if not row.finished:
            yield row.written[-1]


@dataclass
class _Row:
    """One continuation in progress."""

    prompt: Sequence[int]
    seed: int
    key: str | int
    context: int
    written: list[int] = field(default_factory=list)
    stopped_by: int | None = None

    def __post_init__(self) -> None:
        if not self.prompt:
            raise HeadwaterError("an empty prompt", where=f"prompt {self.key}", mend="begin with text, or with the <|end|> token")
        self.seen = list(self.prompt[-self.context :])  # what the cache holds, or is about to
        self.numbers = random_stream(self.seed, "generate", self.key)

    @property
    def finished(self) -> bool:
        return self.stopped_by is not None

    def take(self, token: int, stop: frozenset[int]) -> None:
        if token in stop:
            self.stopped_by = token
        else:
            self.written.append(token)


def _decode(network: Network, rows: list[_Row], sampling: Sampling, stop: frozenset[int]) -> Iterator[None]:
    """Write into the rows, one token each between two yields, until all have stopped or have `max_tokens`."""
    longest = max(len(row.seen) for row in rows) + sampling.max_tokens
    cache = KVCache(
        network.config, len(rows), min(longest, network.config.context), dtype=_dtype(network), device=network.embedding.weight.device
    )
    logits_BV = _read(network, [row.seen for row in rows], cache)
    for count in range(1, sampling.max_tokens + 1):
        tokens = sampling.choose(logits_BV, np.array([row.numbers.random() for row in rows]))
        for row, token in zip(rows, tokens, strict=True):
            row.take(token, stop)
        yield
        going = [index for index, row in enumerate(rows) if not row.finished]
        if not going or count == sampling.max_tokens:
            return
        if len(going) < len(rows):
            rows = [rows[index] for index in going]
            cache.keep(going)
        logits_BV = _continue(network, rows, cache)


def _continue(network: Network, rows: list[_Row], cache: KVCache) -> Floats:
    """Read each row's newest token; give back `logits_BV` of what may follow."""
    for index, row in enumerate(rows):
        if len(row.seen) == row.context:
            row.seen = row.seen[row.context - row.context // 2 :]
            cache.row(index).reset()
            if row.seen:
                _read(network, [row.seen], cache.row(index))
        row.seen.append(row.written[-1])
    return _read(network, [[row.written[-1]] for row in rows], cache)


def _read(network: Network, texts: Sequence[Sequence[int]], cache: KVCache) -> Floats:
    """Read tokens into the cache, rows padded on the right; `logits_BV` after each row's last, in fp64 on the CPU."""
    lengths = [len(text) for text in texts]
    tokens_BT = torch.zeros(len(texts), max(lengths), dtype=torch.int64)
    for row_T, text in zip(tokens_BT, texts, strict=True):
        row_T[: len(text)] = torch.tensor(text)
    device = network.embedding.weight.device
    with _evaluating(network):
        x_BTD = network.hidden(tokens_BT.to(device), cache=cache)
        last_BD = x_BTD[torch.arange(len(texts), device=device), torch.tensor(lengths, device=device) - 1]
        logits_BV: Floats = network.head(last_BD).double().cpu().numpy()
    cache.advance(lengths)
    return logits_BV


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    """No gradients and no dropout, for one pass; a network that was training goes on training."""
    was_training = network.training
    if was_training:
        network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if was_training:
            network.train()


def _dtype(network: Network) -> torch.dtype:
    """What keys and values will be computed in."""
    kind = network.embedding.weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else network.embedding.weight.dtype
