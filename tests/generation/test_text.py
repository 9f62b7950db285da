from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.generation.text import text_stream
from headwater.tokens.config import Bytes, Characters, WordPiece, Words
from headwater.tokens.tokenizer import Tokenizer, train

BYTES = train(Bytes(), [])
CHARACTERS = train(Characters(), ["abc 源头"])
TOKENIZERS = {"byte": BYTES, "char": CHARACTERS}
TEXT = "abc: 水源头 — naïve 🙂👩‍👩‍👧 頭\n"


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())
def test_every_piece_is_whole_characters(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(TEXT)
    assert len(ids) > len(TEXT)  # some characters are split
    pieces = list(text_stream(tokenizer, ids))
    assert "".join(pieces) == TEXT
    assert "\ufffd" not in "".join(pieces)
    assert all(len(piece) == 1 for piece in pieces)  # nothing is held back longer than it must


def test_nothing_waits_that_need_not() -> None:
    ids = iter(BYTES.encode("a源"))
    pieces = text_stream(BYTES, ids)
    assert next(pieces) == "a"
    assert next(pieces) == "源"
    assert list(ids) == []


def test_a_token_with_the_head_of_a_character_shows_what_is_whole() -> None:
    """A BPE token may hold a whole character and the first byte of the next."""

    class Split(Tokenizer):
        def __init__(self) -> None:
            self.pieces = [b"x\xe6", b"\xba", b"\x90y", b"\xff", b"z"]

        def decode(self, ids: object) -> str:
            return b"".join(self.pieces[id] for id in ids).decode("utf-8", errors="replace")  # type: ignore[attr-defined]

    assert list(text_stream(Split(), range(5))) == ["x", "源y", "\ufffdz"]


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())
def test_bytes_that_are_no_character_come_out_once_that_is_sure(tokenizer: Tokenizer) -> None:
    lead, letter = tokenizer.encode("水")[0], tokenizer.encode("a")[0]
    assert "".join(text_stream(tokenizer, [lead, letter])) == "\ufffda"
    assert "".join(text_stream(tokenizer, [letter, lead])) == "a\ufffd"
    assert len(list(text_stream(tokenizer, [lead] * 9))) > 1


@pytest.mark.parametrize("config", [Words(vocab_size=17), WordPiece(vocab_size=40)], ids=["words", "wordpiece"])
def test_kinds_that_put_spaces_between_tokens_stream_as_they_decode(config: Words | WordPiece) -> None:
    tokenizer = train(config, ["hello world, this is a text of words, a text. " * 20] * 3)
    ids = tokenizer.encode("this is a text, a world of words.")
    assert "".join(text_stream(tokenizer, ids)) == tokenizer.decode(ids)
    assert " " in tokenizer.decode(ids)


@given(st.text(max_size=30))
def test_any_text_streams_back(text: str) -> None:
    for tokenizer in TOKENIZERS.values():
        assert "".join(text_stream(tokenizer, tokenizer.encode(text))) == text


@given(st.lists(st.integers(0, 261), max_size=20))
def test_any_bytes_stream_as_they_decode(ids: list[int]) -> None:
    assert "".join(text_stream(BYTES, ids)) == BYTES.decode(ids)
