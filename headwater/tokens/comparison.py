"""Which tokenizer suits this corpus? Several kinds and sizes of vocabulary, each trained on a sample and measured on held-out text.

A corpus and configs come in, typed rows go out, one for each kind and size: tokens a document, bytes a token by language, the share of
a model's parameters that its tables of tokens would be, what is lost, and the time that it takes. All but the times are equal from run
to run. `tokens/comparison_page.py` shows them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from headwater.core.artifact import Artifact
from headwater.core.errors import HeadwaterError, nearest
from headwater.core.progress import Reporter
from headwater.tokens.config import BPE, Bytes, Characters, File, Pieces, TokenizerConfig, WordPiece, Words
from headwater.tokens.stages import documents
from headwater.tokens.tokenizer import Tokenizer, train

TRAINED_ON = 16_000_000  # bytes of the sample that each tokenizer learns from
MEASURED_ON = 2_000_000  # bytes of held-out text
SIZES = (1000, 2000, 4000, 8000, 16_000, 32_000)
KINDS: dict[str, TokenizerConfig] = {
    "bpe": BPE(),
    "byte": Bytes(),
    "char": Characters(min_frequency=2),
    "sentencepiece-bpe": Pieces(kind="sentencepiece-bpe"),
    "unigram": Pieces(kind="unigram"),
    "wordpiece": WordPiece(),
    "word": Words(),
}

Texts = Sequence[tuple[str, str]]
"""(language, text) of documents."""
Parameters = Callable[[int], int]
"""All parameters of a model with a vocabulary of this size."""


@dataclass(frozen=True)
class Row:
    """One tokenizer, measured on the held-out documents."""

    kind: str
    vocab_size: int
    tokens_per_document: float
    bytes_per_token: dict[str, float]
    """By language; `all` is over all documents."""
    unknown: float
    """The share of tokens that are the unknown one: what a lossless kind never has."""
    lost: float
    """The share of documents that their tokens do not give back."""
    embedding_share: float | None
    """Of a model's parameters: those that belong to single tokens, at the input and (where it is not tied) the output."""
    training_seconds: float
    encoding_rate: float
    """Megabytes a second on one core."""


@dataclass(frozen=True)
class Comparison:
    rows: tuple[Row, ...]
    refused: dict[str, str]
    """`{kind and size: why}`: vocabularies that the text cannot give."""
    trained_on: int
    """Bytes of text."""
    measured_on: dict[str, int] = field(default_factory=dict)
    """Bytes of held-out text by language."""
    documents: int = 0
    """Of them."""


def candidates(own: TokenizerConfig | None, kinds: Iterable[str], sizes: Iterable[int]) -> list[TokenizerConfig]:
    """The configs to compare: the recipe's own (and its kind in all sizes), then each of the other kinds in all sizes.

    All have the special tokens that the recipe's own has. Raises HeadwaterError for a kind that there is not, or a size too small.
    """
    found: list[TokenizerConfig] = [] if own is None else [own]
    shared = {} if own is None else {"specials": own.specials, "sentinels": own.sentinels}
    sizes = sorted(set(sizes))
    for kind in dict.fromkeys([*([own.kind] if own is not None and not isinstance(own, File) else []), *kinds]):
        if kind not in KINDS:
            raise HeadwaterError(f"there is no kind '{kind}' to compare", where="--kinds", mend=nearest(kind, KINDS))
        base = own if own is not None and kind == own.kind else KINDS[kind].model_copy(update=shared)
        if "vocab_size" not in type(base).model_fields:
            found.append(base)
            continue
        least = base.reserved + 256
        if sizes and sizes[0] < least:
            raise HeadwaterError(
                f"{sizes[0]} tokens are hardly more than bytes and special tokens", where="--sizes", mend=f"from {least} on"
            )
        found += [base.model_copy(update={"vocab_size": size}) for size in sizes]
    return [config for place, config in enumerate(found) if config not in found[:place]]


def compare(configs: Sequence[TokenizerConfig], texts: Sequence[str], held_out: Texts, parameters: Parameters | None = None,
            report: Reporter | None = None) -> Comparison:  # fmt: skip
    """Train each config on the texts and measure it on the held-out ones. `parameters` is of the model that it would be for."""
    if not any(text for _, text in held_out):
        raise HeadwaterError("has no held-out text to measure on", where="corpus", mend="let corpus.holdout keep some documents")
    rows, refused = [], {}
    report = report or Reporter()
    with report.bar("tokenizers", len(configs), "tokenizers") as bar:
        for config in configs:
            started = time.perf_counter()
            try:
                tokenizer = train(config, texts)
            except HeadwaterError as error:
                refused[f"{config.kind} {getattr(config, 'vocab_size', '')}".strip()] = error.what
            else:
                rows.append(measure(config.kind, tokenizer, held_out, parameters, time.perf_counter() - started))
            bar.advance(1)
    sizes: dict[str, int] = {}
    for language, text in held_out:
        sizes[language] = sizes.get(language, 0) + len(text.encode())
    return Comparison(tuple(rows), refused, sum(len(text.encode()) for text in texts), dict(sorted(sizes.items())), len(held_out))


def measure(kind: str, tokenizer: Tokenizer, held_out: Texts, parameters: Parameters | None, training_seconds: float) -> Row:
    """A tokenizer on held-out documents, one after the other on one core."""
    sizes: dict[str, int] = {}
    counts: dict[str, int] = {}
    unknown = lost = 0
    seconds = 0.0
    stranger = tokenizer.special("unknown") if tokenizer.has("unknown") else None
    for language, text in held_out:
        started = time.perf_counter()
        ids = tokenizer.encode(text)
        seconds += time.perf_counter() - started
        lost += tokenizer.decode(ids) != text
        unknown += ids.count(stranger) if stranger is not None else 0
        for key in ("all", language):
            sizes[key] = sizes.get(key, 0) + len(text.encode())
            counts[key] = counts.get(key, 0) + len(ids)
    size = tokenizer.vocab_size
    return Row(
        kind=kind,
        vocab_size=size,
        tokens_per_document=counts["all"] / len(held_out),
        bytes_per_token={key: sizes[key] / counts[key] for key in sorted(sizes) if counts[key]},
        unknown=unknown / max(1, counts["all"]),
        lost=lost / len(held_out),
        embedding_share=None if parameters is None else (parameters(size + 1) - parameters(size)) * size / parameters(size),
        training_seconds=training_seconds,
        encoding_rate=sizes["all"] / 1e6 / max(seconds, 1e-9),
    )


def compare_corpus(corpus: Artifact | Path, configs: Sequence[TokenizerConfig], parameters: Parameters | None = None,
                   report: Reporter | None = None) -> Comparison:  # fmt: skip
    """`compare` on samples of a corpus artifact: its training documents, and its held-out ones."""
    texts = [text for _, text in sample(corpus, "train", TRAINED_ON)]
    return compare(configs, texts, list(sample(corpus, "validation", MEASURED_ON)), parameters, report)


def sample(corpus: Artifact | Path, split: str, most: int) -> Iterator[tuple[str, str]]:
    """(language, text) of evenly spaced documents with at most about `most` bytes together; a longer one is cut."""
    folder = corpus.path if isinstance(corpus, Artifact) else corpus
    total = sum(_bytes_of_text(path) for path in sorted((folder / "documents").glob(f"{split}-*.parquet")))
    every = max(1, math.ceil(total / most))
    left = most
    place = 0
    for batch in documents(folder, split, ["language", "text"]):
        for language, text in zip(batch.column("language").to_pylist(), batch.column("text").to_pylist(), strict=True):
            if place % every == 0 and left > 0:
                text = text[:left]
                left -= len(text.encode())
                yield language or "unknown", text
            place += 1


def _bytes_of_text(path: Path) -> int:
    """About how much text a file holds, from its footer."""
    with pq.ParquetFile(path) as file:
        column = file.schema_arrow.get_field_index("text")
        return sum(file.metadata.row_group(group).column(column).total_uncompressed_size for group in range(file.num_row_groups))
