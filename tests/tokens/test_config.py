"""What a recipe may say of tokenizers: mistakes are sentences."""

from __future__ import annotations

import pytest

from headwater.core.config import Config, validate
from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, TokenizerConfig


class Holder(Config):
    tokenizer: TokenizerConfig


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"kind": "bpe", "vocab_size": 262, "specials": ["mask"]}, "bytes and special tokens alone are 263"),
        ({"kind": "unigram", "vocab_size": 300, "sentinels": 100}, "bytes and special tokens alone are 362"),
        ({"kind": "wordpiece", "vocab_size": 9, "sentinels": 2}, "one character alone are 10"),
        ({"kind": "bpe", "specials": ["mask", "mask"]}, "specials name 'mask' twice"),
        ({"kind": "bpe", "specials": ["msak"]}, "mask"),
        ({"kind": "byte", "sentinels": -1}, "greater than or equal to 0"),
        ({"kind": "char", "vocab_size": 4096}, "char takes no vocab_size, because the corpus says .*: tokenizer='{kind: char}'"),
        ({"kind": "byte", "vocab_size": 4096}, "byte takes no vocab_size, because there are 256 bytes"),
        ({"kind": "unigramm"}, "did you mean 'unigram'"),
        ({"kind": "bpe", "digits": True}, "unknown key 'tokenizer.digits'"),
        ({"kind": "file", "path": "x.json", "names": {"ende": "</s>"}}, "ende"),
    ],
)
def test_mistakes_are_sentences(said: dict[str, object], sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        validate(Holder, {"tokenizer": said})


def test_what_is_just_large_enough_is_taken() -> None:
    assert BPE(vocab_size=263, specials=("mask",)).reserved == 7
    assert validate(Holder, {"tokenizer": {"kind": "wordpiece", "vocab_size": 10, "sentinels": 2}}).tokenizer.lossless is False


def test_a_file_is_known_by_what_is_in_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ranks.tiktoken"
    said = {"tokenizer": {"kind": "file", "path": str(path)}}
    path.write_text("YQ== 0\n")
    one = validate(Holder, said).contents()
    path.write_text("YQ== 1\n")
    assert list(one) == ["tokenizer/ranks.tiktoken"] and validate(Holder, said).contents() != one
