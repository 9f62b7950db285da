"""Text comes back as it went in (or its kind says what is lost), special tokens are never read out of text, transformers reads the same."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, Bytes, Characters, Pieces, TokenizerConfig, WordPiece, Words
from headwater.tokens.tokenizer import SPECIALS, Tokenizer, bytes_per_token, train

PIECES = [
    *[*SPECIALS.values(), "<|", "|>", "<0x41>", "<0xE6>", "Ġ", "Ċ", "\0", "\r\n", "\n\n", " ", "   ", "\t"],
    *["<|mask|>", "<|0|>", "<|unknown|>", "▁", "▁▁", "␛", "␛0", "␛1", "##a", "\r", "\x1b", "\x7f", "\u2028", "\ufdd0", "\ud7ff", "ﬁ", "①"],
    *["\u3000", "\u200d", "\ufeff", "\ufffd", "\u202eabc\u202c", "\U0010ffff", "\ue0f00\ue0f1"],
    *["👩‍👩‍👧‍👦", "🏳️‍🌈", "e\u0301", "é", "源头", "天下大势", "שלום", "مرحبا", "नमस्ते", "'ll", "don't", "word"],
]
odd_texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=8).map("".join)


@given(text=odd_texts)
@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_lossless_and_free_of_specials(tokenizers: dict[str, Tokenizer], text: str) -> None:
    for tokenizer in tokenizers.values():
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert not {tokenizer.special(name) for name in SPECIALS} & set(ids)
        assert all(0 <= id < tokenizer.vocab_size for id in ids)


def odd_strings(number: int) -> list[str]:
    """Odd pieces, single characters from all of Unicode, and both put together."""
    draw = random.Random(11)
    ranges = [(0, 0x80), (0x80, 0x3000), (0x4E00, 0xA000), (0xAC00, 0xD800), (0xE000, 0x110000)]
    made = []
    for _ in range(number):
        pieces = [
            draw.choice(PIECES) if draw.random() < 0.7 else chr(draw.randrange(*draw.choice(ranges))) for _ in range(draw.randrange(12))
        ]
        made.append("".join(pieces))
    return made


def test_ten_thousand_odd_strings_come_back(tokenizer: Tokenizer) -> None:
    strings = odd_strings(10_000)
    encoded = tokenizer.encode_batch(strings)
    assert [tokenizer.decode(ids) for ids in encoded] == strings
    assert not tokenizer.special_ids.intersection(*[{id for ids in encoded for id in ids}])


@pytest.mark.parametrize("config", [BPE(), Bytes(), Characters(), Pieces(kind="unigram"), Pieces(kind="sentencepiece-bpe")])
def test_the_kinds_above_are_those_that_promise_it(config: TokenizerConfig) -> None:
    assert config.lossless


ALL = [
    BPE(vocab_size=400, specials=("mask", "x", "cls"), sentinels=3),
    Bytes(specials=("mask", "x", "cls"), sentinels=3),
    Characters(specials=("mask", "x", "cls"), sentinels=3),
    Pieces(kind="sentencepiece-bpe", vocab_size=500, specials=("mask", "x", "cls"), sentinels=3),
    Pieces(kind="unigram", vocab_size=500, specials=("mask", "x", "cls"), sentinels=3),
    WordPiece(vocab_size=300, specials=("mask", "x", "cls"), sentinels=3),
    Words(vocab_size=200, specials=("mask", "x", "cls"), sentinels=3),
]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
def test_specials_that_the_recipe_asks_for(config: TokenizerConfig, texts: list[str]) -> None:
    made = train(config, [*texts, *["<|mask|><|0|> <|x|>"] * 50])
    assert [made.special(name) for name in SPECIALS] == list(range(6)), "the six first, as without others"
    assert [made.special(name) for name in ("mask", "cls", "x")] == [6, 7, 8], "in the order of the table, not of the recipe"
    assert made.sentinels == [9, 10, 11]
    assert made.vocab_size == getattr(config, "vocab_size", made.vocab_size)
    assert made.has("mask") and not made.has("gmask")
    assert made.spelling("mask") == "<|mask|>"
    assert made.special_ids == set(range(config.reserved))
    assert set(made.parse("<|mask|>")) == {6} and made.parse("<|2|>") == [11]
    unknown = {made.special("unknown")} if made.has("unknown") else set()
    for text in ["<|mask|>", "a<|0|>b", "x <|x|> <|unknown|>", "<|end|><|2|>", *odd_strings(300)]:
        assert not (made.special_ids - unknown) & set(made.encode(text)), text


def test_a_special_token_that_is_not_there_says_how_to_have_it(bpe: Tokenizer) -> None:
    with pytest.raises(HeadwaterError, match=r"has no special token 'mask'; add it to tokenizer.specials: \[mask\]"):
        bpe.special("mask")
    with pytest.raises(HeadwaterError, match="did you mean 'gmask'"):
        bpe.special("gmaks")
    assert bpe.sentinels == []


def test_bytes_are_bytes(tokenizers: dict[str, Tokenizer]) -> None:
    text = "".join(PIECES)
    assert len(tokenizers["byte"].encode(text)) == len(text.encode())
    assert tokenizers["byte"].vocab_size == 256 + len(SPECIALS)


def test_characters_are_one_token_when_known_and_bytes_when_not(tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["char"]
    assert len(tokenizer.encode("分合")) == 2
    assert len(tokenizer.encode("龘")) == len("龘".encode())
    assert tokenizer.encode("e") < tokenizer.encode("k"), "by falling frequency"


def test_a_batch_is_what_its_texts_are(tokenizer: Tokenizer, texts: list[str]) -> None:
    odd = [*texts, *PIECES, ""]
    assert tokenizer.encode_batch(odd) == [tokenizer.encode(text) for text in odd]


def test_parse_reads_specials_and_encode_does_not(tokenizer: Tokenizer) -> None:
    text = "<|user|>hi <|end|> there<|turn|>"
    hi, there = tokenizer.encode("hi "), tokenizer.encode(" there")
    user, end, turn = (tokenizer.special(name) for name in ("user", "end", "turn"))
    assert tokenizer.parse(text) == [user, *hi, end, *there, turn]
    assert tokenizer.decode(tokenizer.parse(text)) == tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.parse("no specials: <|nothing|>") == tokenizer.encode("no specials: <|nothing|>")


def test_bpe_learns(bpe: Tokenizer, tokenizers: dict[str, Tokenizer], texts: list[str]) -> None:
    english = max(texts, key=len)
    assert len(bpe.encode(english)) < 0.5 * len(tokenizers["byte"].encode(english))
    merged = [bpe.token(id) for id in range(256 + len(SPECIALS), bpe.vocab_size)]
    assert not any(" " in token.strip() for token in merged), "no merge goes over a space between words"


TRAIN = """
import sys
from pathlib import Path
from headwater.tokens.config import BPE, Characters, Pieces, WordPiece, Words
from headwater.tokens.tokenizer import train
text = Path(sys.argv[1]).read_text()
# many pairs equally frequent, in many documents: any order that comes of a hash table or of a thread would show
texts = text.split("\\n") * 20 + ["".join(chr(0x4E00 + (i * 37 + j * 11) % 300) for j in range(40)) for i in range(300)]
texts += ["".join(chr(0x430 + (i * 7 + j * 5) % 32) for j in range(9)) for i in range(200)]
print(train(BPE(vocab_size=900), texts).hash, train(Characters(), texts).hash)
for kind in ("unigram", "sentencepiece-bpe"):
    print(train(Pieces(kind=kind, vocab_size=900), texts).hash)
print(train(WordPiece(vocab_size=900), texts).hash, train(Words(vocab_size=300), texts).hash)
"""


def test_training_does_not_depend_on_hash_seeds_or_threads() -> None:
    license = str(Path(__file__).parents[2] / "LICENSE")
    seen = set()
    for hash_seed, threads in (("0", "1"), ("77", "4")):
        env = {
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "RAYON_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false" if threads == "1" else "true",
        }
        seen.add(subprocess.run([sys.executable, "-c", TRAIN, license], env=env, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1


def test_the_order_of_documents_does_not_matter(texts: list[str], bpe: Tokenizer) -> None:
    assert train(BPE(vocab_size=700), reversed(texts)).hash == bpe.hash
    for config in ALL:
        assert train(config, reversed(texts)).hash == train(config, texts).hash


def test_a_vocabulary_too_large_says_what_can_be_reached(texts: list[str]) -> None:
    with pytest.raises(HeadwaterError) as caught:
        train(BPE(vocab_size=50_000), texts)
    assert caught.value.where == "tokenizer.vocab_size"
    reachable = int("".join(filter(str.isdigit, (caught.value.mend or "").partition(",")[0])))
    assert 300 < reachable < 50_000
    assert train(BPE(vocab_size=reachable), texts).vocab_size == reachable
    with pytest.raises(HeadwaterError):
        train(BPE(vocab_size=reachable + 1), texts)


@pytest.mark.parametrize("texts", [["ab"], [], ["ab ab cd cd"]])
def test_what_the_sentence_asks_for_may_be_asked_for(texts: list[str]) -> None:
    """Also of a corpus that gives hardly more than the bytes."""
    with pytest.raises(HeadwaterError) as caught:
        train(BPE(vocab_size=300), texts)
    words = (caught.value.mend or "").replace(",", "").split()
    reachable = next(int(word) for word in words if word.isdigit())
    try:
        config = BPE(vocab_size=reachable)
    except ValidationError:
        pytest.fail(f"the sentence says '{caught.value.mend}', but the config refuses {reachable}")
    assert train(config, texts).vocab_size == reachable


@pytest.mark.oracle
def test_transformers_reads_the_same_ids(tokenizer: Tokenizer, texts: list[str], tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert len(theirs) == tokenizer.vocab_size
    for text in [*texts, *PIECES]:
        assert theirs.encode(text, add_special_tokens=False) == tokenizer.parse(text)
        assert theirs.encode(text, add_special_tokens=False, split_special_tokens=True) == tokenizer.encode(text)
        assert theirs.decode(tokenizer.parse(text), clean_up_tokenization_spaces=False) == text


def test_bytes_per_token_by_hand(tokenizers: dict[str, Tokenizer]) -> None:
    pairs = [("zh", "分合"), ("en", "law"), ("zh", "分"), ("xx", "")]
    assert bytes_per_token(tokenizers["char"], pairs) == {"all": 2.0, "en": 1.0, "zh": 3.0}
    assert set(bytes_per_token(tokenizers["byte"], pairs).values()) == {1.0}


def test_loading_gives_it_back(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.hash == tokenizer.hash
    assert loaded.encode("分 law 龘 <|end|>") == tokenizer.encode("分 law 龘 <|end|>")


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe\x00binary", b"words", None])
def test_what_is_no_tokenizer_is_a_sentence(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "tokenizer.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(HeadwaterError, match=r"tokenizer\.json"):
        Tokenizer.load(path)


def test_a_tokenizer_without_our_specials_is_refused(tokenizers: dict[str, Tokenizer]) -> None:
    with pytest.raises(HeadwaterError, match=r"<\|turn\|>"):
        Tokenizer(tokenizers["byte"].to_json().replace("<|turn|>", "<|other|>"))


@pytest.mark.parametrize("config", [Bytes(), Characters()])
def test_an_empty_corpus_still_spells_everything(config: TokenizerConfig) -> None:
    tokenizer = train(config, [])
    assert tokenizer.decode(tokenizer.encode("any 源 text")) == "any 源 text"
