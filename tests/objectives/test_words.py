"""Words and sentences of every kind of tokenizer, against what plain text says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from headwater.objectives.words import words_of
from headwater.tokens.config import BPE, Bytes, Characters, Pieces, TokenizerConfig, WordPiece, Words
from headwater.tokens.tokenizer import train

TEXTS = ["The rivers, slowly rising, reached the harbour wall. Nobody (not even Anna) had seen it before! Why?\nSo it began. "] * 30
TEXTS += ["水流慢慢上升，到了墙边。没有人见过。"] * 30
KINDS: list[TokenizerConfig] = [
    Bytes(),
    BPE(vocab_size=330),
    Characters(),
    Pieces(kind="unigram", vocab_size=330),
    Pieces(kind="sentencepiece-bpe", vocab_size=330),
    WordPiece(vocab_size=120),
    Words(vocab_size=30),
]


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_words_of_plain_text(config: TokenizerConfig) -> None:
    tokenizer = train(config, TEXTS)
    words = words_of(tokenizer)
    text = " the rivers, slowly rising (not Anna) had seen"
    ids = np.array(tokenizer.encode(text))
    numbers = words.numbers(ids)
    pieces = ["".join(tokenizer.decode(ids[numbers == number].tolist()).split()) for number in range(numbers[-1] + 1)]
    expected = re.findall(r"\w+|[^\w\s]", text)
    if config.kind in ("wordpiece", "word"):
        assert len(pieces) == len(expected) or config.kind == "wordpiece"
    if config.kind == "word":
        return  # unknown words have no letters
    assert [piece.replace("##", "") for piece in pieces if piece] == expected


@pytest.mark.parametrize("config", KINDS[:5], ids=lambda config: config.kind)
def test_each_chinese_character_or_piece_is_a_word(config: TokenizerConfig) -> None:
    tokenizer = train(config, TEXTS)
    ids = np.array(tokenizer.encode("水流慢慢上升"))
    numbers = words_of(tokenizer).numbers(ids)
    pieces = [tokenizer.decode(ids[numbers == number].tolist()) for number in range(numbers[-1] + 1)]
    assert "".join(pieces) == "水流慢慢上升" and "\ufffd" not in "".join(pieces), "no character is cut"
    assert len(pieces) >= 1


@pytest.mark.parametrize("config", KINDS[:6], ids=lambda config: config.kind)
def test_sentences_end_at_their_signs(config: TokenizerConfig) -> None:
    tokenizer = train(config, TEXTS)
    ends = words_of(tokenizer).ends_sentence_V
    for text, count in (("Nobody had seen it before! Why? So it began.", 3), ("rivers, slowly (rising)", 0)):
        assert int(ends[tokenizer.encode(text)].sum()) == count
    if config.kind not in ("byte", "bpe"):
        assert int(ends[tokenizer.encode("没有人见过。")].sum()) == 1
    assert not ends[sorted(tokenizer.special_ids)].any()
