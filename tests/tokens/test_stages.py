"""The two stages on a small corpus: what they write, and that they write the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Artifact, Outcome, Request, Work, Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import write_json
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.contamination.index import build
from headwater.tokens.config import BPE, File, TokensConfig, Words
from headwater.tokens.shards import Shards
from headwater.tokens.specials import SPECIALS
from headwater.tokens.stages import documents, run_tokenizer, run_tokens
from headwater.tokens.tokenizer import Tokenizer


def make(root: Path, stage: str, run, **inputs: Artifact) -> Artifact:  # type: ignore[no-untyped-def]
    return Workspace(root).make(Request(stage, {}, {}, {}, {}, False, run), inputs, 1, Reporter())


def corpus(root: Path, texts: list[str]) -> Artifact:
    """Two training files and one of held-out documents, by the Document contract as far as these stages read it."""

    def run(work: Work) -> Outcome:
        (work.path / "documents").mkdir()
        cut = len(texts) // 2
        for name, part in (("train-00000", texts[:cut]), ("train-00001", texts[cut:]), ("validation-00000", texts[::7])):
            ids = [f"{name}/{number}" for number in range(len(part))]
            language = ["zh" if "天" in text else None for text in part]
            columns = {"id": ids, "text": part, "source": ["s"] * len(part), "language": pa.array(language, pa.string())}
            pq.write_table(pa.table(columns), work.path / "documents" / f"{name}.parquet")
        return Outcome({"splits": {"train": {"documents": len(texts)}, "validation": {"documents": len(texts[::7])}}}, "")

    return make(root, "corpus", run)


def both(root: Path, texts: list[str]) -> tuple[Artifact, Artifact, Artifact]:
    raw = corpus(root, texts)
    tokenizer = make(root, "tokenizer", lambda work: run_tokenizer(BPE(vocab_size=500), work), corpus=raw)
    return raw, tokenizer, make(root, "tokens", lambda work: run_tokens(TokensConfig(), work), corpus=raw, tokenizer=tokenizer)


def test_tokens_are_the_documents(tmp_path: Path, texts: list[str]) -> None:
    raw, made, tokens = both(tmp_path, texts)
    tokenizer = Tokenizer.load(made.path / "tokenizer.json")
    facts = json.loads((tokens.path / "tokens.json").read_text())
    assert facts["end"] == tokenizer.special("end")
    assert facts["vocab_size"] == tokenizer.vocab_size == 500
    for split, expected in (("train", texts), ("validation", texts[::7])):
        shards = Shards.open(tokens.path, split)
        ends = np.flatnonzero(shards.tokens[:] == facts["end"])
        decoded = [tokenizer.decode(piece.tolist()).removesuffix("<|end|>") for piece in np.split(shards.tokens[:], ends + 1)[:-1]]
        # a text may itself say <|end|> at its end: the pieces' last token is the one that was added
        assert [text.removesuffix("<|end|>") for text in expected] == decoded
        assert shards.documents.column("id").to_pylist() == [id for batch in documents(raw, split) for id in batch.column("id").to_pylist()]
        sums = facts["splits"][split]
        assert sums == {"tokens": len(shards), "documents": len(expected), "bytes": sum(len(text.encode()) for text in expected)}
    statistics = json.loads((made.path / "statistics.json").read_text())
    size = sum(len(text.encode()) for text in texts[::7])
    cost = facts["splits"]["validation"]["tokens"] - len(texts[::7])
    assert statistics["bytes_per_token"]["all"] == pytest.approx(size / cost, abs=1e-4)


def test_equal_runs_write_equal_bytes(tmp_path: Path, texts: list[str]) -> None:
    one, other = both(tmp_path / "one", texts), both(tmp_path / "other", texts)
    for a, b in zip(one, other, strict=True):
        assert (a.path / "manifest.json").read_bytes() == (b.path / "manifest.json").read_bytes()


def test_a_corpus_too_small_for_the_vocabulary_leaves_nothing(tmp_path: Path) -> None:
    raw = corpus(tmp_path, ["short text"] * 20)
    with pytest.raises(HeadwaterError, match="ask for at most"):
        make(tmp_path, "tokenizer", lambda work: run_tokenizer(BPE(vocab_size=5000), work), corpus=raw)
    assert Workspace(tmp_path).partial("tokenizer") == []
    assert Workspace(tmp_path).current("tokenizer") is None


@pytest.mark.fault
def test_what_stands_in_an_evaluation_set_is_found_once_more(tmp_path: Path, texts: list[str]) -> None:
    """A corpus that some other tool wrote beside a right index: the tokens stage looks for itself."""
    (tmp_path / "exam.jsonl").write_text(
        json.dumps({"text": "how many stone bridges cross the slow river below the old town of Hallenberg at night"})
    )
    index = build(Contamination.model_validate({"sets": [{"path": str(tmp_path / "exam.jsonl"), "name": "exam"}]}))
    for dirty in (False, True):
        root = tmp_path / str(dirty)
        asked = " Tell me: How many stone bridges cross the slow river below the old town of Hallenberg?" if dirty else ""
        made = corpus(root, [*texts, texts[0] + asked])
        index.save(made.path / "contamination.npz")
        write_json(made.path / "contamination.json", {"most": 0})
        tokenizer = make(root, "tokenizer", lambda work: run_tokenizer(BPE(kind="bpe", vocab_size=300), work), corpus=made)
        if not dirty:
            assert make(root, "tokens", lambda work: run_tokens(TokensConfig(), work), corpus=made, tokenizer=tokenizer)
            continue
        with pytest.raises(HeadwaterError, match=r"document 'train-00001/\d+' holds \d n-grams of an evaluation set"):
            make(root, "tokens", lambda work: run_tokens(TokensConfig(), work), corpus=made, tokenizer=tokenizer)


def test_what_a_lossy_tokenizer_loses_is_said(tmp_path: Path, texts: list[str]) -> None:
    raw = corpus(tmp_path, texts)
    made = make(tmp_path, "tokenizer", lambda work: run_tokenizer(Words(vocab_size=200, specials=("mask",), sentinels=2), work), corpus=raw)
    statistics = json.loads((made.path / "statistics.json").read_text())
    tokenizer = Tokenizer.load(made.path / "tokenizer.json")
    held_out = [tokenizer.encode(text) for text in texts[::7]]
    unknown = sum(ids.count(tokenizer.special("unknown")) for ids in held_out) / sum(map(len, held_out))
    assert statistics["lost"] == {"documents": 1, "unknown": pytest.approx(unknown, abs=1e-6)} and unknown > 0.1
    assert f"100.0% of held-out documents do not come back as they were, {unknown:.2%} of tokens are unknown" in made.manifest.key_figure
    assert statistics["special_tokens"] == [*SPECIALS.values(), "<|mask|>", "<|unknown|>", "<|0|>", "<|1|>"]


def test_a_tokenizer_that_exists_is_opened_and_measured(tmp_path: Path, texts: list[str], bpe: Tokenizer) -> None:
    (tmp_path / "theirs.json").write_text(bpe.to_json())
    raw = corpus(tmp_path, texts)
    made = make(tmp_path, "tokenizer", lambda work: run_tokenizer(File(path=str(tmp_path / "theirs.json")), work), corpus=raw)
    assert (made.path / "tokenizer.json").read_text() == bpe.to_json()
    assert made.manifest.metrics["lost"] == {"documents": 0, "unknown": 0}
