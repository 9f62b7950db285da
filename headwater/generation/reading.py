"""How do prompts get into the network, and logits out? A Reader holds a network, a cache, and what each row has read.

    reader = Reader(network, rows, capacity, reading, sources)
    logits_BV = reader.read(prompts)          # after the last token of each
    logits_BV = reader.next(tokens_B)         # after one more token a row

Rows of unequal length stand in the cache from slot 0 on, so their padding is on the right: a causal mask hides it, the next token
covers it, and a token's slot is its place in the text. Padding on the left, which other tools ask of their callers, would need a mask
and positions of its own in every step to say the same.

An encoder–decoder reads `sources` once, padded on the right and hidden by segments. Legend: B rows, T tokens, S source, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from headwater.core.errors import HeadwaterError
from headwater.generation.prepared import Prepared, prepare
from headwater.model.cache import KVCache
from headwater.model.network import Network
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents, full, prefix

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """How a decoder reads what is given, as its objective taught it.

    `prefix`: the prompt sees itself whole (a prefix decoder). `blanks`: ids of GLM's blank tokens; a prompt is then a text with at
    least one of them and, after it, the token that starts a piece; what is written fills the last blank (Du et al. 2022, section 2).
    """

    prefix: bool = False
    blanks: frozenset[int] = frozenset()

    def given(self, text: Sequence[int]) -> int:
        """How many tokens see each other whole."""
        return len(text) - 1 if self.blanks else len(text) if self.prefix else 0

    def blank(self, text: Sequence[int]) -> int:
        """The place of the blank to fill."""
        places = [place for place, id in enumerate(text[:-1]) if id in self.blanks]
        if not places:
            raise HeadwaterError("a prompt without a blank", where="prompt",
                                 mend="put the blank token where text is wanted, and the start token last")  # fmt: skip
        return places[-1]


class Reader:
    """Rows that are read together. Its sums are those of the network; `next` takes a shorter way to them (generation/prepared.py)."""

    def __init__(
        self,
        network: Network,
        rows: int,
        capacity: int,
        reading: Reading | None = None,
        sources: Sequence[Sequence[int]] | None = None,
        steps: int = 0,
    ) -> None:
        if (sources is None) == (network.encoder is not None):
            needs = "needs a source for each prompt" if sources is None else "has no encoder, and was given sources"
            raise HeadwaterError(f"a network of kind {network.config.kind} {needs}", where="sources",
                                 mend="give sources to an encoder-decoder, and to nothing else")  # fmt: skip
        self.network, self.reading = network, reading or Reading()
        self.cache = KVCache(network.config, rows, capacity, dtype=_dtype(network), device=network.device)
        self.two_dimensional = network.config.positions.kind == "glm"
        self.blanks_B, self.given_B = torch.zeros(rows, dtype=torch.int64), torch.zeros(rows, dtype=torch.int64)
        self.prepared: Prepared | None = prepare(network, steps, rows)
        self._sources = sources

    def read(self, texts: Sequence[Sequence[int]]) -> Logits:
        """All rows from their beginning; `logits_BV` after the last token of each, on the CPU."""
        if self.reading.blanks:
            self.blanks_B = torch.tensor([self.reading.blank(text) for text in texts])
            self.given_B = torch.tensor([self.reading.given(text) for text in texts])
        source = None if self._sources is None else _padded_source(self._sources, self.network.device)
        return self._read(texts, self.cache, source)

    def read_anew(self, row: int, text: Sequence[int]) -> None:
        """Forget what one row has read, and read this; its source stays."""
        cache = self.cache.row(row)
        cache.reset()
        if text:
            self._read([text], cache, None)

    def next(self, tokens_B: Sequence[int]) -> Logits:
        """`logits_BV` after one more token a row."""
        device = self.network.device
        tokens_B1 = torch.tensor(tokens_B, device=device)[:, None]
        positions_B1 = blocks_B1 = None
        if self.two_dimensional and self.reading.blanks:
            positions_B1 = self.blanks_B[:, None].to(device)
            blocks_B1 = (self.cache.lengths_B - self.given_B + 1)[:, None].to(device)
        with evaluating(self.network):
            inputs = Inputs(tokens_B1, positions_BT=positions_B1, blocks_BT=blocks_B1)
            if self.prepared is not None:
                logits_BV = self.prepared.logits(inputs, self.cache)
            else:
                logits_BV = self.network.head(self.network.hidden(inputs, cache=self.cache)[:, -1])
        self.cache.advance(1)
        return _on_cpu(logits_BV)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows; one named twice goes on as two."""
        self.cache.keep(rows)
        self.blanks_B, self.given_B = self.blanks_B[list(rows)], self.given_B[list(rows)]

    def _read(self, texts: Sequence[Sequence[int]], cache: KVCache, source: Inputs | None) -> Logits:
        lengths = [len(text) for text in texts]
        device = self.network.device
        with evaluating(self.network):
            x_BTD = self.network.hidden(self._inputs(texts, device), source=source, cache=cache)
            last_BD = x_BTD[torch.arange(len(texts), device=device), torch.tensor(lengths, device=device) - 1]
            logits_BV = self.network.head(last_BD)
        cache.advance(lengths)
        return _on_cpu(logits_BV)

    def _inputs(self, texts: Sequence[Sequence[int]], device: torch.device) -> Inputs:
        tokens_BT = padded(texts).to(device)
        given_B1 = torch.tensor([self.reading.given(text) for text in texts], device=device)[:, None]
        if not given_B1.any():
            return Inputs(tokens_BT)
        order_T = torch.arange(tokens_BT.shape[1], device=device)
        prefix_BT = order_T < given_B1
        positions_BT = blocks_BT = None
        if self.two_dimensional and self.reading.blanks:
            positions_BT = torch.where(prefix_BT, order_T, self.blanks_B[:, None].to(device))
            blocks_BT = torch.where(prefix_BT, 0, order_T - given_B1 + 1)
        return Inputs(tokens_BT, positions_BT=positions_BT, blocks_BT=blocks_BT, mask=causal() | prefix(), prefix_BT=prefix_BT)


def padded(texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """`tokens_BT`, rows filled up with 0 on the right."""
    tokens_BT = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.int64)
    for row_T, text in zip(tokens_BT, texts, strict=True):
        row_T[: len(text)] = torch.tensor(text)
    return tokens_BT


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
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


def check_sources(sources: Sequence[Collection[int]], prompts: int) -> None:
    """One for each prompt, none of them empty."""
    if len(sources) != prompts or not all(sources):
        fault = f"{len(sources)} sources for {prompts} prompts" if len(sources) != prompts else "an empty source"
        raise HeadwaterError(fault, where="sources", mend="give each prompt a source of at least one token")


def _padded_source(sources: Sequence[Sequence[int]], device: torch.device) -> Inputs:
    if len({len(source) for source in sources}) == 1:
        return Inputs(torch.tensor(sources, device=device), mask=full())
    lengths_B1 = torch.tensor([len(source) for source in sources])[:, None]
    tokens_BS = padded(sources)
    segments_BS = (torch.arange(tokens_BS.shape[1]) < lengths_B1).long()
    return Inputs(tokens_BS.to(device), segments_BT=segments_BS.to(device), mask=full() & documents())


def _dtype(network: Network) -> torch.dtype:
    """What keys and values will be computed in."""
    kind = network.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else network.dtype


def _on_cpu(logits_BV: torch.Tensor) -> Logits:
    found: Logits = logits_BV.cpu().numpy()
    return found
