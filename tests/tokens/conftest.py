"""A small corpus in two languages, and a tokenizer of each lossless kind trained on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.tokens.config import BPE, Bytes, Characters, Pieces
from headwater.tokens.tokenizer import Tokenizer, train

CHINESE = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。"
ENGLISH = (Path(__file__).parents[2] / "LICENSE").read_text()
KINDS = ["bpe", "byte", "char", "sentencepiece-bpe", "unigram"]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Paragraphs; some of them say what a special token says."""
    paragraphs = [paragraph.strip() for paragraph in ENGLISH.split("\n\n")]
    return [*paragraphs, *[CHINESE] * 5, "<|end|> is what closes a document, <|user|> what opens a turn. " * 20]


@pytest.fixture(scope="session")
def tokenizers(texts: list[str]) -> dict[str, Tokenizer]:
    return {
        "bpe": train(BPE(vocab_size=700), texts),
        "byte": train(Bytes(), texts),
        "char": train(Characters(min_frequency=3), texts),
        "sentencepiece-bpe": train(Pieces(kind="sentencepiece-bpe", vocab_size=700, digits=True), texts),
        "unigram": train(Pieces(kind="unigram", vocab_size=700), texts),
    }


@pytest.fixture(params=KINDS)
def tokenizer(tokenizers: dict[str, Tokenizer], request: pytest.FixtureRequest) -> Tokenizer:
    return tokenizers[request.param]


@pytest.fixture
def bpe(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers["bpe"]
