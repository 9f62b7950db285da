"""The pieces shown of a text are the text, and their ids are its encoding, whatever the characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.release.report.tokenizer import split
from headwater.tokens.config import BPE, Bytes, Characters, TokenizerConfig
from headwater.tokens.tokenizer import Tokenizer, train

CONFIGS: list[TokenizerConfig] = [Bytes(), BPE(vocab_size=290, min_frequency=1), Characters()]
TOKENIZERS = [train(config, ["the river bends, the river bends again: 山水风云，山水风云。"] * 3) for config in CONFIGS]


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["byte", "bpe", "char"])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_pieces_joined_are_the_text_and_ids_joined_its_encoding(tokenizer: Tokenizer, text: str) -> None:
    pieces = split(tokenizer, text)
    assert "".join(piece for piece, _ in pieces) == text
    assert [id for _, ids in pieces for id in ids] == tokenizer.encode(text)


def test_a_character_of_several_tokens_is_one_piece() -> None:
    assert [(piece, len(ids)) for piece, ids in split(TOKENIZERS[0], "a山")] == [("a", 1), ("山", 3)]
