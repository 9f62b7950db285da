"""How many bits does the model need for a byte of held-out text?

In: a network and token sequences that each open with the end token. Out: nats of every token after the first, and bits per
byte (total bits of the documents ÷ their UTF-8 bytes), a unit in which models with different tokenizers can be compared.

The rule, which is written beside every figure: each document is scored alone, as if nothing but the end token stood before
it. One longer than the context is read in windows whose starts lie half a context apart, and a token is scored in the
first window that has it: it sees all of its document so far, or at least half a context of it. The end token that closes a
document is scored too; its cost counts in the bits, it has no byte.

Legend: B rows, T positions, D width, N scored tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Bar
from headwater.evaluation.statistics import by_language, ratio, rounded
from headwater.model.network import Network
from headwater.tokens.shards import Shards

Precision = Literal["fp32", "bf16"]
Nats = np.ndarray[Any, np.dtype[np.float64]]
HEAD_ROWS = 2048  # logits of at most so many tokens stand in memory at once


@dataclass(frozen=True)
class Window:
    """Inputs [start, stop) of a sequence; the targets scored are those of its inputs from `scored` on."""

    sequence: int
    start: int
    stop: int
    scored: int


def rule(context: int, stride: int) -> str:
    """The scoring rule in words, to stand beside the figure that it made."""
    overlap = "windows do not overlap" if stride == context else f"every token sees all before it or at least {context - stride:,} tokens"
    return (
        f"each document alone after the end token; windows of {context:,} tokens every {stride:,} ({overlap}); "
        "bits of the closing end token are counted, bytes are those of the text"
    )


def token_nats(
    network: Network,
    sequences: Sequence[Sequence[int] | np.ndarray[Any, Any]],
    context: int,
    batch_size: int,
    precision: Precision = "fp32",
    *,
    stride: int | None = None,
    bar: Bar | None = None,
) -> list[Nats]:
    """Negative log-likelihoods in nats: for a sequence of n+1 tokens the n of the tokens after its first.

    `stride` is how far apart windows start (half the context unless told). Neither batch size nor padding changes a figure
    beyond fp32 rounding: rows are padded on the right, where a causal network does not look. `bar` advances by tokens.
    """
    stride = max(1, context // 2) if stride is None else stride
    assert 0 < stride <= context, "windows must meet"
    nats = [np.zeros(max(0, len(sequence) - 1)) for sequence in sequences]
    windows = [window for index, sequence in enumerate(sequences) for window in windows_of(index, len(sequence) - 1, context, stride)]
    windows.sort(key=lambda window: window.start - window.stop)  # like lengths together: little padding; the longest first
    with scoring(network, precision):
        for start in range(0, len(windows), batch_size):
            batch = windows[start : start + batch_size]
            for window, scores in zip(batch, _score(network, sequences, batch), strict=True):
                nats[window.sequence][window.scored : window.stop] = scores
            if bar is not None:
                bar.advance(sum(window.stop - window.scored for window in batch))
    return nats


def windows_of(sequence: int, inputs: int, context: int, stride: int) -> Iterator[Window]:
    """Windows over `inputs` input positions that score each of them once, in the first window that reaches it."""
    scored = 0
    for start in range(0, max(inputs, 0), stride):
        stop = min(start + context, inputs)
        yield Window(sequence, start, stop, scored)
        scored = stop
        if stop == inputs:
            return


def _score(network: Network, sequences: Sequence[Any], windows: Sequence[Window]) -> list[Nats]:
    """Nats of the scored targets of each window, from one call of the network."""
    device = next(network.parameters()).device
    longest = max(window.stop - window.start for window in windows)
    tokens_BT = torch.zeros(len(windows), longest, dtype=torch.int64)
    wanted_BT = torch.zeros(len(windows), longest, dtype=torch.bool)
    targets: list[np.ndarray[Any, Any]] = []
    for row, window in enumerate(windows):
        ids = np.asarray(sequences[window.sequence][window.start : window.stop + 1], np.int64)
        tokens_BT[row, : len(ids) - 1] = torch.from_numpy(ids[:-1])
        wanted_BT[row, window.scored - window.start : len(ids) - 1] = True
        targets.append(ids[window.scored - window.start + 1 :])
    targets_N = torch.from_numpy(np.concatenate(targets)).to(device)
    # Padding, and what an earlier window scored, is dropped ahead of the head: logits are by far the largest tensor.
    x_ND = network.hidden(tokens_BT.to(device))[wanted_BT.to(device)]
    nats: list[torch.Tensor] = []
    for start in range(0, len(targets_N), HEAD_ROWS):
        logits_NV = network.head(x_ND[start : start + HEAD_ROWS]).float()
        nats.append(cross_entropy(logits_NV, targets_N[start : start + HEAD_ROWS], reduction="none"))
    return np.split(torch.cat(nats).double().cpu().numpy(), np.cumsum([len(part) for part in targets])[:-1])


def bits_per_byte(
    network: Network,
    shards: Shards,
    *,
    context: int | None = None,
    batch_size: int = 32,
    precision: Precision = "fp32",
    documents: int | None = None,
    stride: int | None = None,
    bar: Bar | None = None,
) -> dict[str, dict[str, Any]]:
    """`{"all": {"bits_per_byte", "standard_error", "documents", "bytes", "tokens", "loss"}, language: …}` of a split.

    `loss` is in nats a token. The cheap form for a training loop: `documents=` at most so many, evenly spaced and always the
    same ones, and `stride=context`, windows that do not overlap. Raises HeadwaterError when the split has no document.
    """
    rows = chosen(shards, documents)
    nats = token_nats(network, sequences_of(shards, rows), context or network.config.context, batch_size, precision, stride=stride, bar=bar)
    table = shards.documents.take(rows)
    sizes, languages = table.column("bytes").to_pylist(), table.column("language").to_pylist()
    sums = [float(part.sum()) for part in nats]

    def loss(items: list[int]) -> dict[str, Any]:
        tokens = sum(len(nats[item]) for item in items)
        return {"tokens": tokens, "loss": rounded(sum(sums[item] for item in items) / tokens)}

    losses = by_language(languages, loss)
    figures = summary([nats / math.log(2) for nats in sums], sizes, languages)
    return {name: {**figure, **losses[name]} for name, figure in figures.items()}


def chosen(shards: Shards, documents: int | None) -> list[int]:
    """Which documents of a split are scored: at most so many, evenly spaced, always the same ones."""
    count = shards.documents.num_rows
    if count == 0:
        raise HeadwaterError(
            "there is no held-out document to score", where="corpus.holdout", mend="give more text, or hold out more of it"
        )
    wanted = min(count, documents or count)
    return [index * count // wanted for index in range(wanted)]


def sequences_of(shards: Shards, rows: Sequence[int]) -> list[np.ndarray[Any, Any]]:
    """The tokens of documents, each opened and closed by the end token (the last token of every stored document)."""
    lengths = shards.documents.column("length").to_numpy()
    stored = (shards.tokens[shards.starts[row] : shards.starts[row] + lengths[row]] for row in rows)
    return [np.concatenate([tokens[-1:], tokens]) for tokens in stored]


def summary(bits: Sequence[float], sizes: Sequence[int], languages: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """Bits per byte overall and by language from the bits and bytes of each document."""

    def figure(items: list[int]) -> dict[str, Any]:
        value, error = ratio([bits[item] for item in items], [sizes[item] for item in items])
        size = sum(sizes[item] for item in items)
        return {"bits_per_byte": rounded(value), "standard_error": rounded(error), "documents": len(items), "bytes": size}

    return by_language(languages, figure)


@contextmanager
def scoring(network: Network, precision: Precision) -> Iterator[None]:
    """No gradients, no dropout, matrix products in `precision`; the network's mode is put back afterwards."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"))
            yield
    finally:
        network.train(was_training)
