"""tiktoken's ranks read as tiktoken reads them (fixtures: data/make.py); damaged ones are refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tokenizers import pre_tokenizers

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import File
from headwater.tokens.ranks import convert, letters, read
from headwater.tokens.tokenizer import train

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
RANKS = (DATA / "ranks.tiktoken").read_bytes()


@pytest.mark.oracle
@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k"])
def test_ids_are_tiktoken_s(pattern: str) -> None:
    tokenizer = train(File(path=str(DATA / "ranks.tiktoken"), pattern=pattern), [])
    for text, ids in EXPECTED[pattern]:
        assert tokenizer.encode(text) == ids
        assert tokenizer.decode(ids) == text
    assert tokenizer.special("end") == 600 and tokenizer.vocab_size == 606


def test_the_pattern_may_be_one_s_own() -> None:
    tokenizer = train(File(path=str(DATA / "ranks.tiktoken"), pattern=r"[\s\S]"), [])
    assert len(tokenizer.encode("the the")) == 7


def test_the_letters_are_the_library_s() -> None:
    assert sorted(letters()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert "".join(letters()[byte] for byte in "a é\n".encode()) == "aĠÃ©Ċ"


def lines(ranks: dict[bytes, int]) -> bytes:
    return b"\n".join(base64.b64encode(token) + b" %d" % rank for token, rank in ranks.items())


BYTES = {bytes([byte]): byte for byte in range(256)}


@pytest.mark.fault
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"not base64 at all\n", "^r.tiktoken:1: is no token"),
        (lines(BYTES) + b"\nYWI=", "^r.tiktoken:257: is no token"),
        (lines(BYTES) + b"\n$$$ 256", "^r.tiktoken:257: is no token"),
        (lines({**BYTES, b"ab": 255}), "ranks twice"),
        (lines({**BYTES, b"ab": 257}), "leaves some out"),
        (lines({token: rank for token, rank in BYTES.items() if rank < 255}), "no token for the byte 255"),
        (b"", "no token for the byte 0"),
    ],
)
def test_damaged_ranks_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        convert(data, "gpt2", "r.tiktoken")


def test_every_way_to_cut_a_token_is_a_merge() -> None:
    ranks = {**BYTES, b"ab": 256, b"bc": 257, b"abc": 258}
    assert read(lines(ranks), "") == ranks
    assert convert(lines(ranks), "gpt2", "")["model"]["merges"] == [["a", "b"], ["b", "c"], ["a", "bc"], ["ab", "c"]]
