"""Text comes back as it went in, special tokens are never read out of text, and transformers reads the same ids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, Bytes, Characters, TokenizerConfig
from headwater.tokens.tokenizer import SPECIALS, Tokenizer, bytes_per_token, train

PIECES = [
    *[*SPECIALS.values(), "<|", "|>", "<0x41>", "<0xE6>", "Ġ", "Ċ", "\0", "\r\n", "\n\n", " ", "   ", "\t"],
    *["\u3000", "\u200d", "\ufeff", "\ufffd", "\u202eabc\u202c", "\U0010ffff", "\ue0f00\ue0f1"],
    *["👩‍👩‍👧‍👦", "🏳️‍🌈", "e\u0301", "é", "源头", "天下大势", "שלום", "مرحبا", "नमस्ते", "'ll", "don't", "word"],
]
odd_texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=8).map("".join)


@given(text=odd_texts)
@settings(max_examples=2000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_lossless_and_free_of_specials(tokenizers: dict[str, Tokenizer], text: str) -> None:
    for tokenizer in tokenizers.values():
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert not {tokenizer.special(name) for name in SPECIALS} & set(ids)
        assert all(0 <= id < tokenizer.vocab_size for id in ids)


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
from headwater.tokens.config import BPE, Characters
from headwater.tokens.tokenizer import train
text = Path(sys.argv[1]).read_text()
# many pairs equally frequent, in many documents: any order that comes of a hash table or of a thread would show
texts = text.split("\\n") * 20 + ["".join(chr(0x4E00 + (i * 37 + j * 11) % 300) for j in range(40)) for i in range(300)]
print(train(BPE(vocab_size=900), texts).hash, train(Characters(), texts).hash)
"""


def test_training_does_not_depend_on_hash_seeds_or_threads() -> None:
    license = str(Path(__file__).parents[2] / "LICENSE")
    seen = set()
    for hash_seed, threads in (("0", "1"), ("1", "4"), ("77", "3")):
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
