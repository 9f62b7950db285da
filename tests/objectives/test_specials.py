"""What an objective is told of a tokenizer."""

from __future__ import annotations

from headwater.objectives.specials import Specials
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import Tokenizer, train
from tests.objectives.conftest import NAMES


def test_of_a_tokenizer(byte_tokenizer: Tokenizer) -> None:
    specials = Specials.of(byte_tokenizer)
    assert {name: specials[name] for name in NAMES} == {name: byte_tokenizer.special(name) for name in NAMES}
    assert specials.sentinels.tolist() == byte_tokenizer.sentinels and len(specials.sentinels) == 40
    assert len(specials.ordinary) == 256 and not byte_tokenizer.special_ids & set(specials.ordinary.tolist())
    assert specials.start == byte_tokenizer.special("start") and specials.words is None
    assert Specials.of(byte_tokenizer, words=True).words is not None


def test_a_decoder_starts_from_padding_where_no_token_is_named_so() -> None:
    plain = train(Bytes(), [])
    assert Specials.of(plain).start == plain.special("pad")
