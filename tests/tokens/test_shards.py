"""Shards give back the documents that went in, say which stood where, and refuse to be read when torn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.storage import write_json
from headwater.tokens.config import BPE, Characters
from headwater.tokens.shards import Shards, dtype_for, write_split
from headwater.tokens.tokenizer import Tokenizer, train


def write(folder: Path, tokenizer: Tokenizer, texts: list[str], batch: int = 700) -> Shards:
    table = pa.table({"id": [f"d{n}" for n in range(len(texts))], "source": ["s"] * len(texts),
                      "language": [None if n % 3 else "en" for n in range(len(texts))], "text": pa.array(texts, pa.string())})  # fmt: skip
    sums = write_split(folder, "train", tokenizer, table.to_batches(max_chunksize=batch))
    write_json(
        folder / "tokens.json",
        {"dtype": dtype_for(tokenizer.vocab_size).str, "vocab_size": tokenizer.vocab_size, "splits": {"train": sums}},
    )
    return Shards.open(folder, "train")


def random_texts(count: int) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(random.choice(list("ab 源头\n<|end|>"), random.integers(0, 30))) for _ in range(count)]


@pytest.mark.parametrize("batch", [1, 700, 100_000])
def test_round_trip(tmp_path: Path, tokenizer: Tokenizer, batch: int) -> None:
    texts = [*random_texts(1500 if batch > 1 else 100), "", "<|end|>", "last"]
    shards = write(tmp_path, tokenizer, texts, batch)
    end, tokens = tokenizer.special("end"), np.asarray(shards.tokens)
    assert tokens.dtype == np.uint16
    pieces = np.split(tokens, np.flatnonzero(tokens == end) + 1)
    assert [tokenizer.decode(piece[:-1].tolist()) for piece in pieces[:-1]] == texts
    assert pieces[-1].size == 0
    rows = shards.documents.to_pylist()
    assert [row["length"] for row in rows] == [len(piece) for piece in pieces[:-1]]
    assert [row["start"] for row in rows] == np.cumsum([0, *(row["length"] for row in rows[:-1])]).tolist()
    assert [row["bytes"] for row in rows] == [len(text.encode()) for text in texts]
    assert [row["id"] for row in rows] == [f"d{n}" for n in range(len(texts))]
    assert [row["language"] for row in rows[:4]] == ["en", None, None, "en"]


def test_the_size_of_batches_leaves_no_trace(tmp_path: Path, bpe: Tokenizer) -> None:
    for batch in (3, 1000):
        (tmp_path / str(batch)).mkdir()
        write(tmp_path / str(batch), bpe, random_texts(300), batch)
    for name in ("train.bin", "train.documents.parquet", "tokens.json"):
        assert (tmp_path / "3" / name).read_bytes() == (tmp_path / "1000" / name).read_bytes()


def test_documents_between_against_a_search_of_all(tmp_path: Path, bpe: Tokenizer) -> None:
    shards = write(tmp_path, bpe, random_texts(60))
    owner = [row["id"] for row in shards.documents.to_pylist() for _ in range(row["length"])]
    assert len(owner) == len(shards)
    for start in range(len(owner)):
        for stop in (start + 1, start + 2, start + 9, start + 200):
            expected = list(dict.fromkeys(owner[start:stop]))
            assert shards.documents_between(start, stop) == expected, (start, stop)


def test_an_empty_split_is_empty(tmp_path: Path, bpe: Tokenizer) -> None:
    shards = write(tmp_path, bpe, [])
    assert len(shards) == 0
    assert shards.documents.num_rows == 0


@pytest.mark.fault
@pytest.mark.parametrize("change", [-2, -1, 1, 2])
def test_a_file_of_another_length_is_refused(tmp_path: Path, bpe: Tokenizer, change: int) -> None:
    write(tmp_path, bpe, ["some text"])
    path = tmp_path / "train.bin"
    os.truncate(path, path.stat().st_size + change)
    with pytest.raises(HeadwaterError, match=r"train\.bin"):
        Shards.open(tmp_path, "train")
    path.unlink()
    with pytest.raises(HeadwaterError, match=r"train\.bin"):
        Shards.open(tmp_path, "train")


@pytest.mark.parametrize(("vocabulary", "dtype"), [(262, np.uint16), (65_536, np.uint16), (65_537, np.uint32), (1_000_000, np.uint32)])
def test_the_number_format_holds_every_id(vocabulary: int, dtype: type) -> None:
    assert dtype_for(vocabulary) == dtype
    assert np.iinfo(dtype_for(vocabulary)).max >= vocabulary - 1


def test_a_vocabulary_above_65536(tmp_path: Path) -> None:
    """Every assigned ideograph and more: characters that need the seventeenth bit."""
    alphabet = [chr(code) for code in (*range(0x3400, 0xA000), *range(0x20000, 0x2A000), *range(0xAC00, 0xB000))]
    tokenizer = train(Characters(), alphabet)
    assert tokenizer.vocab_size > 1 << 16
    text = "".join(alphabet[::97]) + alphabet[-1]
    shards = write(tmp_path, tokenizer, [text])
    assert shards.tokens.dtype == np.uint32
    assert int(shards.tokens[:].max()) > 0xFFFF
    assert tokenizer.decode(shards.tokens[:-1].tolist()) == text
    assert pq.read_metadata(tmp_path / "train.documents.parquet").num_rows == 1


def test_bpe_shards_are_smaller_than_the_text(tmp_path: Path, texts: list[str]) -> None:
    shards = write(tmp_path, train(BPE(vocab_size=700), texts), texts)
    assert len(shards) < 0.6 * sum(len(text.encode()) for text in texts)
