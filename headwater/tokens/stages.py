"""The two stages of this room: a tokenizer trained on the corpus, and the corpus as token shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.artifact import Artifact, Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json, write_atomically, write_json
from headwater.corpus.contamination.config import INDEX
from headwater.corpus.statistics.tokens import by_source
from headwater.tokens.config import TokenizerConfig, TokensConfig
from headwater.tokens.shards import dtype_for, write_split
from headwater.tokens.tokenizer import Tokenizer, bytes_per_token, train

SPLITS = ("train", "validation")
MEASURED = 1000  # documents of the held-out split that bytes per token are measured on


def documents(corpus: Artifact | Path, split: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The documents of one split of a corpus artifact, in their order."""
    folder = corpus.path if isinstance(corpus, Artifact) else corpus
    for path in sorted((folder / "documents").glob(f"{split}-*.parquet")):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=1024, columns=columns)


def run_tokenizer(config: TokenizerConfig, work: Work) -> Outcome:
    """corpus -> tokenizer.json and statistics.json. Raises HeadwaterError when the corpus can't give the vocabulary."""
    corpus = work.inputs["corpus"]
    tokenizer = train(config, _Texts(work))
    write_atomically(work.path / "tokenizer.json", tokenizer.to_json())
    sizes = bytes_per_token(tokenizer, _measured(corpus))
    metrics = {"kind": config.kind, "vocab_size": tokenizer.vocab_size, "bytes_per_token": sizes}
    said = f"{tokenizer.vocab_size:,} tokens, {sizes['all']:.2f} bytes each"
    if not config.lossless:
        lost = _lost(tokenizer, [text for _, text in _measured(corpus)])
        metrics["lost"] = lost
        said += (
            f"; {lost['documents']:.1%} of held-out documents do not come back as they were, {lost['unknown']:.2%} of tokens are unknown"
        )
    special = [*(tokenizer.spelling(name) for name in tokenizer.names), *(tokenizer.token(id) for id in tokenizer.sentinels)]
    write_json(work.path / "statistics.json", {**metrics, "special_tokens": special})
    return Outcome(metrics, said)


class _Texts:
    """The training texts, as often as they are asked for, each time with a bar."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __iter__(self) -> Iterator[str]:
        corpus = self.work.inputs["corpus"]
        with self.work.report.bar("tokenizer", corpus.manifest.metrics["splits"]["train"]["documents"], "documents") as bar:
            for batch in documents(corpus, "train", ["text"]):
                yield from batch.column("text").to_pylist()
                bar.advance(len(batch))


def _lost(tokenizer: Tokenizer, texts: list[str]) -> dict[str, float]:
    """The share of documents that their tokens do not give back, and the share of tokens that are the unknown one."""
    encoded = tokenizer.encode_batch(texts)
    unknown = tokenizer.special("unknown") if tokenizer.has("unknown") else None
    tokens = sum(map(len, encoded))
    changed = sum(tokenizer.decode(ids) != text for ids, text in zip(encoded, texts, strict=True))
    return {
        "documents": round(changed / max(1, len(texts)), 6),
        "unknown": round(sum(ids.count(unknown) for ids in encoded) / max(1, tokens), 6) if unknown is not None else 0.0,
    }


def _measured(corpus: Artifact) -> Iterator[tuple[str, str]]:
    """(language, text) of evenly spaced held-out documents."""
    total = corpus.manifest.metrics["splits"]["validation"]["documents"]
    every = max(1, total // MEASURED)
    place = 0
    for batch in documents(corpus, "validation", ["language", "text"]):
        for language, text in zip(batch.column("language").to_pylist(), batch.column("text").to_pylist(), strict=True):
            if place % every == 0:
                yield language or "unknown", text
            place += 1


def run_tokens(config: TokensConfig, work: Work) -> Outcome:
    """corpus, tokenizer -> token shards with their document index."""
    tokenizer = Tokenizer.load(work.inputs["tokenizer"].path / "tokenizer.json")
    sums = {}
    for split in SPLITS:
        batches = documents(work.inputs["corpus"], split, ["id", "source", "language", "text"])
        total = work.inputs["corpus"].manifest.metrics["splits"][split]["documents"]
        with work.report.bar(f"tokens: {split}", total, "documents") as bar:
            clean = _rechecked(batches, work.inputs["corpus"].path)
            sums[split] = write_split(work.path, split, tokenizer, _counted(clean, bar.advance))
    facts = {
        "dtype": dtype_for(tokenizer.vocab_size).str,
        "vocab_size": tokenizer.vocab_size,
        "tokenizer": tokenizer.hash,
        "end": tokenizer.special("end"),
        "splits": sums,
        "by_source": by_source(work.path / "train.documents.parquet"),
    }
    write_json(work.path / "tokens.json", facts)
    return Outcome({"splits": sums}, f"{sums['train']['tokens']:,} training tokens, {sums['validation']['tokens']:,} held out")


def _rechecked(batches: Iterator[pa.RecordBatch], corpus: Path) -> Iterator[pa.RecordBatch]:
    """The same batches, looked through once more for what stands in evaluation sets.

    Raises HeadwaterError for a document that holds more of a set than the recipe allows.
    """
    if not (corpus / INDEX).exists():
        yield from batches
        return
    from headwater.corpus.contamination.index import load
    from headwater.corpus.contamination.match import recheck

    index, allowed = load(corpus / INDEX), read_json(corpus / "contamination.json")["most"]
    for batch in batches:
        hits = recheck(index, batch.column("text").to_pylist())
        if len(hits) and hits.max() > allowed:
            worst = int(hits.argmax())
            raise HeadwaterError(f"document '{batch.column('id')[worst]}' holds {hits[worst]} n-grams of an evaluation set", where=corpus,
                                 mend="delete this artifact and run again; it was not made by this recipe")  # fmt: skip
        yield batch


def _counted(batches: Iterator[pa.RecordBatch], advance: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        advance(len(batch))
