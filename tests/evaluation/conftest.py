"""Tiny models, corpora and artifacts, written as the stages before ours write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from headwater.core.storage import write_json
from headwater.evaluation.texts import Text
from headwater.model import directory
from headwater.model.config import ModelConfig, NormalInit
from headwater.model.directory import Model
from headwater.model.network import Network
from headwater.tokens.config import Bytes
from headwater.tokens.shards import INDEX, Shards, write_split
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import Tokenizer, train

Build = Callable[..., Network]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train(Bytes(), [])


def config_of(vocab_size: int, context: int = 16, dropout: float = 0.0) -> ModelConfig:
    # A wide initialisation: predictions far from uniform, so that a token scored in a wrong place shows.
    return ModelConfig(layers=2, width=16, heads=2, context=context, dropout=dropout, init=NormalInit(std=0.3), vocab_size=vocab_size)


def make_network(vocab_size: int = 40, context: int = 16, *, uniform: bool = False, dropout: float = 0.0) -> Network:
    network = config_of(vocab_size, context, dropout).build(3)
    if uniform:
        with torch.no_grad():
            network.embedding.tokens.weight.zero_()  # the tied head then says 0 for every token
    return network


@pytest.fixture
def network() -> Build:
    return make_network


@pytest.fixture
def model(tokenizer: Tokenizer) -> Callable[..., Model]:
    def make(**options: Any) -> Model:
        net = make_network(tokenizer.vocab_size, options.pop("context", 96), **options)
        return Model(net, tokenizer, net.config, TEMPLATE, Path("model"))

    return make


@pytest.fixture
def shards() -> Callable[..., Shards]:
    """Shards in memory: documents are lists of ids without the end token, one byte a token."""

    def make(documents: Sequence[Sequence[int]], end: int = 0, languages: Sequence[str | None] | None = None) -> Shards:
        rows = [[*ids, end] for ids in documents]
        starts = np.cumsum([0, *map(len, rows)])[:-1]
        columns = {
            "id": [str(number) for number in range(len(rows))],
            "source": ["test"] * len(rows),
            "language": list(languages or ["en"] * len(rows)),
            "start": starts,
            "length": [len(row) for row in rows],
            "bytes": [len(ids) for ids in documents],
        }
        tokens = np.array([id for row in rows for id in row], np.uint16)
        return Shards(tokens, pa.table(columns, schema=INDEX), starts, 40)

    return make


ENGLISH = ("king", "storm", "river", "sword", "castle", "night", "horse", "crown", "forest", "letter", "garden", "ship", "winter", "bell")
CHINESE = ("曹操", "玄德", "关公", "张飞", "孔明", "孙权", "周瑜", "赵云", "马超", "黄忠", "吕布", "袁绍", "刘表", "鲁肃")


def written(number: int, language: str) -> Text:
    """A document with some sentences of its own."""
    rng = np.random.default_rng([number, len(language)])
    if language == "en":
        sentences = [" ".join(["The", *rng.choice(ENGLISH, 5), "saw", *rng.choice(ENGLISH, 3)]) + "." for _ in range(6)]
        return Text(f"en-{number}", "en", "\n".join(sentences))
    sentences = ["".join(rng.choice(CHINESE, 4)) + "大喜，遂引兵" + "".join(rng.choice(CHINESE, 3)) + "。" for _ in range(6)]
    return Text(f"zh-{number}", "zh", "".join(sentences))


@pytest.fixture(scope="session")
def documents() -> dict[str, list[Text]]:
    numbers = {"validation": range(20), "train": range(20, 60)}
    return {split: [written(number, language) for number in found for language in ("en", "zh")] for split, found in numbers.items()}


def write_inputs(root: Path, documents: dict[str, list[Text]], tokenizer: Tokenizer) -> dict[str, Any]:
    """corpus, tokens, pretrain and sft as artifacts."""
    (root / "corpus" / "documents").mkdir(parents=True)
    (root / "tokens").mkdir()
    sums = {}
    for split, found in documents.items():
        columns = {name: [getattr(text, name) for text in found] for name in ("id", "language", "text")}
        table = pa.table({**columns, "source": ["test"] * len(found)})
        pq.write_table(table, root / "corpus" / "documents" / f"{split}-00000.parquet")
        sums[split] = write_split(root / "tokens", split, tokenizer, table.to_batches())
    write_json(root / "tokens" / "tokens.json", {"dtype": "<u2", "vocab_size": tokenizer.vocab_size, "splits": sums})
    config = config_of(tokenizer.vocab_size, context=96)
    directory.save(root / "pretrain", config.build(3), config, tokenizer)
    directory.save(root / "sft", config.build(4), config, tokenizer, TEMPLATE)
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    rows = [json.dumps({"id": f"dialogue {number}", "messages": turns}) + "\n" for number in range(3)]
    (root / "sft" / "dialogues.heldout.jsonl").write_text("".join(rows))
    return {name: SimpleNamespace(path=root / name) for name in ("corpus", "tokens", "pretrain", "sft")}


@pytest.fixture
def inputs(tmp_path: Path, documents: dict[str, list[Text]], tokenizer: Tokenizer) -> dict[str, Any]:
    return write_inputs(tmp_path / "inputs", documents, tokenizer)
