"""The figures of a comparison by hand, and samples that are bounded and even."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.tokens.comparison import KINDS, candidates, compare, compare_corpus, sample
from headwater.tokens.config import BPE, Bytes, Characters, File, Pieces, Words

HELD_OUT = [("en", "the river "), ("zh", "江水"), ("en", "")]


def corpus(folder: Path, train: list[str], validation: list[str]) -> Path:
    (folder / "documents").mkdir(parents=True)
    for split, texts in (("train", train), ("validation", validation)):
        for part in (0, 1):
            columns = {"language": pa.array(["en"] * len(texts[part::2])), "text": pa.array(texts[part::2], pa.string())}
            pq.write_table(pa.table(columns), folder / "documents" / f"{split}-{part}.parquet")
    return folder


def test_figures_by_hand() -> None:
    found = compare([Bytes(), Words(vocab_size=8, split="spaces")], ["the the sea sea"], HELD_OUT, lambda size: 50 + 10 * size)
    byte, word = found.rows
    assert (byte.kind, byte.vocab_size) == ("byte", 262)
    assert byte.tokens_per_document == 16 / 3 and byte.bytes_per_token == {"all": 1, "en": 1, "zh": 1}
    assert (byte.unknown, byte.lost) == (0, 0)
    assert byte.embedding_share == 2620 / (50 + 2620)
    assert word.tokens_per_document == 1, "the, river; the Chinese; nothing"
    assert word.bytes_per_token == {"all": 16 / 3, "en": 5, "zh": 6}
    assert word.unknown == 1 or word.unknown == 2 / 3, "one of the two words fits into eight tokens"
    assert word.lost == 2 / 3, "all but the empty one"
    assert found.measured_on == {"en": 10, "zh": 6} and found.documents == 3 and found.trained_on == 15
    assert byte.encoding_rate > 0 and word.training_seconds > 0
    assert compare([Bytes()], [], HELD_OUT).rows[0].embedding_share is None


def test_what_cannot_be_had_is_told_beside_what_can() -> None:
    found = compare([BPE(vocab_size=5000), Bytes()], ["too short for that"], HELD_OUT)
    assert [row.kind for row in found.rows] == ["byte"]
    assert list(found.refused) == ["bpe 5000"] and "gives only" in found.refused["bpe 5000"]


def test_a_larger_vocabulary_spells_more(texts: list[str]) -> None:
    rows = compare(candidates(None, ["bpe", "unigram"], [500, 300, 700]), texts, [("en", text) for text in texts]).rows
    assert [(row.kind, row.vocab_size) for row in rows] == [("bpe", 300), ("bpe", 500), ("bpe", 700), ("unigram", 500), ("unigram", 700)]
    for kind in ("bpe", "unigram"):
        sizes = [row.bytes_per_token["all"] for row in rows if row.kind == kind]
        assert sizes == sorted(sizes)


def test_candidates() -> None:
    own = BPE(vocab_size=4096, min_frequency=5, specials=("mask",), sentinels=2)
    found = candidates(own, ["byte", "unigram", "bpe"], [4096, 1000])
    assert found[0] == own and found[1] == own.model_copy(update={"vocab_size": 1000}), "the recipe's own settings, in each size once"
    assert found[2] == Bytes(specials=("mask",), sentinels=2)
    assert found[3:] == [Pieces(kind="unigram", vocab_size=size, specials=("mask",), sentinels=2) for size in (1000, 4096)]
    assert candidates(File(path="x.json", names={"end": "e"}), ["byte"], [1000])[1:] == [Bytes()]
    assert all(config.kind == kind for kind, config in KINDS.items())
    assert candidates(Characters(), [], [1000]) == [Characters()]


@pytest.mark.parametrize(("kinds", "sizes", "sentence"), [(["bpee"], [1000], "did you mean 'bpe'"), (["bpe"], [100, 1000], "from 262 on")])
def test_mistakes_are_sentences(kinds: list[str], sizes: list[int], sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        candidates(None, kinds, sizes)


def test_samples_are_bounded_and_even(tmp_path: Path) -> None:
    texts = [f"{number:04} " + "word " * 19 for number in range(1000)]
    folder = corpus(tmp_path, texts, texts[:3])
    assert [text for _, text in sample(folder, "train", 10**9)] == texts[::2] + texts[1::2]
    part = [text for _, text in sample(folder, "train", 10_000)]
    assert 60 <= len(part) <= 101 and sum(map(len, part)) <= 10_000
    numbers = [int(text[:4]) for text in part]
    assert len({b - a for a, b in pairwise(numbers)}) <= 2, "evenly spaced in each file"
    assert [len(text) for _, text in sample(corpus(tmp_path / "long", ["a" * 5000], ["b"]), "train", 1000)] == [1000]


def test_a_corpus_without_held_out_documents(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no held-out text"):
        compare_corpus(corpus(tmp_path, ["text"], []), [Bytes()])
    assert compare_corpus(corpus(tmp_path / "other", ["text"], ["more"]), [Bytes()]).rows[0].tokens_per_document == 4
