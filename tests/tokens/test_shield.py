"""No text reaches a special token, whatever model holds it; all other ids stay."""

from __future__ import annotations

import json

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from headwater.tokens.shield import shielded

NAMES = [f"<0x{byte:02X}>" for byte in range(256)]


def plain(theirs: tokenizers.Tokenizer) -> tuple[tokenizers.Tokenizer, bool]:
    text = shielded(json.loads(theirs.to_str()))
    made = tokenizers.Tokenizer.from_str(text or theirs.to_str())
    made.encode_special_tokens = True
    return made, text is not None


def with_specials(model: models.Model, split: pre_tokenizers.PreTokenizer | None = None) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(model)
    if split:
        theirs.pre_tokenizer = split
    theirs.add_special_tokens([AddedToken("<s>", special=True, normalized=False)])
    theirs.add_tokens([AddedToken("@@", special=False, normalized=False)])
    return theirs


LETTERS = [(letter, -2.0) for letter in "<s>ab"]
MODELS = {
    "unigram": with_specials(models.Unigram([("<s>", 0.0), ("?", -9.0), *LETTERS], unk_id=1)),
    "words": with_specials(models.WordLevel({"<s>": 0, "?": 1, "a": 2, "b": 3}, unk_token="?"), pre_tokenizers.WhitespaceSplit()),
    "wordpiece": with_specials(models.WordPiece({"<s>": 0, "?": 1, "a": 2, "##b": 3}, unk_token="?"), pre_tokenizers.WhitespaceSplit()),
    "merges": with_specials(
        models.BPE({"<s>": 0, "?": 1, "<": 2, "s": 3, ">": 4, "<s": 5, "a": 6}, [("<", "s"), ("<s", ">")], unk_token="?")
    ),
    "whole words": with_specials(models.BPE({"<s>": 0, "<": 1, "s": 2, ">": 3, "a": 4}, [], ignore_merges=True)),
}


@pytest.mark.parametrize("name", MODELS)
def test_special_tokens_are_out_of_reach(name: str) -> None:
    theirs = MODELS[name]
    theirs.encode_special_tokens = True
    assert 0 in theirs.encode("<s>").ids, "the library itself reads it, also when told not to"
    made, changed = plain(theirs)
    assert changed
    for text in ["<s>", "a <s>", "a<s>a", "<s><s>"]:
        assert 0 not in made.encode(text).ids
    theirs.encode_special_tokens = False


@pytest.mark.parametrize("name", MODELS)
def test_all_else_stays(name: str) -> None:
    made, _ = plain(MODELS[name])
    for text in ["a", "a@@a", "ab a", "<", "@@"]:
        assert made.encode(text).ids == MODELS[name].encode(text).ids
    assert made.get_vocab_size() == MODELS[name].get_vocab_size()


def test_what_is_out_of_reach_anyway_is_left_alone() -> None:
    safe = with_specials(models.BPE({"<s>": 0, "<": 1, "s": 2, ">": 3, "a": 4}, []))
    assert not plain(safe)[1]
    assert plain(safe)[0].encode("<s>a").ids == [1, 2, 3, 4]
    single = tokenizers.Tokenizer(models.BPE({"#": 0, "a": 1, "?": 2}, [], unk_token="?"))
    single.add_special_tokens(["#"])
    assert plain(single)[0].encode("a#").ids == [1, 2], "a special token of one character is no character of a text"


def test_the_name_of_a_byte_is_letters() -> None:
    vocabulary = [("?", 0.0), *((name, 0.0) for name in NAMES), *((letter, -2.0) for letter in "<0x41>"), ("</s>", 0.0)]
    theirs = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    theirs.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    theirs.add_special_tokens(["?", "</s>"])
    assert theirs.decode(theirs.encode("<0x41>").ids, skip_special_tokens=False) == "A", "what it comes to without"
    made, _ = plain(theirs)
    assert theirs.decode(made.encode("<0x41>").ids, skip_special_tokens=False) == "<0x41>"
    assert theirs.decode(made.encode("é").ids, skip_special_tokens=False) == "é"
