"""What each kind makes of text: where pieces end, what falls back to bytes, and exactly what the lossy kinds lose."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import Pieces, TokenizerConfig, WordPiece, Words
from headwater.tokens.tokenizer import Tokenizer, train

BILINGUAL = ["the river of 1234 stones, 江水 flows東 over 5678 stones 江水江水", "stones and rivers; 江水浩荡 naïve café"] * 40


LONG = [*BILINGUAL, *(Path(__file__).parents[2] / "LICENSE").read_text().split("\n\n")]


def pieces(kind: str, **more: object) -> Tokenizer:
    return train(Pieces.model_validate({"kind": kind, "vocab_size": 500, **more}), LONG)


def cut(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.token(id) for id in tokenizer.encode(text)]


@pytest.mark.parametrize("kind", ["sentencepiece-bpe", "unigram"])
class TestPieces:
    def test_no_piece_goes_over_an_edge(self, kind: str) -> None:
        tokenizer = pieces(kind)
        learned = [tokenizer.token(id) for id in range(6 + 256, tokenizer.vocab_size)]
        assert any(len(piece) > 4 and piece.startswith(" ") for piece in learned), "spaces go with words"
        for piece in learned:
            word = piece.lstrip(" ")
            assert " " not in word
            kinds = {"han" if "\u4e00" <= c <= "\u9fff" else "letter" if c.isalpha() else "number" if c.isdigit() else "sign" for c in word}
            assert len(kinds) <= 1, piece

    def test_digits_alone_where_asked(self, kind: str) -> None:
        assert cut(pieces(kind, digits=True), "1234") == ["1", "2", "3", "4"]
        assert " 1234" in cut(train(Pieces(kind=kind, vocab_size=400), [*LONG, " 1234" * 300]), " 1234")  # type: ignore[arg-type]

    def test_no_piece_is_longer_than_asked(self, kind: str) -> None:
        for longest in (2, 3, 4):
            tokenizer = pieces(kind, longest=longest, vocab_size=400)
            assert max(len(tokenizer.token(id)) for id in range(262, tokenizer.vocab_size)) == longest

    def test_rare_characters_are_their_bytes(self, kind: str) -> None:
        tokenizer = train(Pieces(kind=kind, vocab_size=400, coverage=0.99), [*LONG, "Ω"])  # type: ignore[arg-type]
        assert len(tokenizer.encode("Ω")) == 2
        assert len(train(Pieces(kind=kind, vocab_size=400, coverage=1), [*LONG, "Ω"]).encode("Ω")) == 1  # type: ignore[arg-type]

    def test_nfkc_is_the_only_loss_and_is_told(self, kind: str) -> None:
        assert not Pieces(kind=kind, nfkc=True).lossless  # type: ignore[arg-type]
        tokenizer = pieces(kind, nfkc=True)
        assert tokenizer.decode(tokenizer.encode("ﬁne ①  ▁␛ a\u0301")) == "fine 1  ▁␛ á"

    def test_too_small_for_the_characters_says_how_much_it_takes(self, kind: str) -> None:
        with pytest.raises(HeadwaterError, match=r"characters cover 99.95% .* ask for at least (\d+)") as caught:
            pieces(kind, vocab_size=270)
        least = int((caught.value.mend or "").split()[4].strip(","))
        assert pieces(kind, vocab_size=least).vocab_size == least

    def test_too_large_for_the_text_says_what_can_be_had(self, kind: str) -> None:
        with pytest.raises(HeadwaterError, match="ask for at most") as caught:
            pieces(kind, vocab_size=50_000)
        assert "(" not in str(caught.value)
        most = int((caught.value.mend or "").split()[4].strip(","))
        assert pieces(kind, vocab_size=most).vocab_size == most

    def test_the_file_says_metaspace(self, kind: str) -> None:
        vocabulary = json.loads(pieces(kind).to_json())["model"]["vocab"]
        names = vocabulary if isinstance(vocabulary, dict) else [piece for piece, _ in vocabulary]
        assert any(name.startswith("▁stone") for name in names)
        assert not any(" " in name for name in names)


def greedy(vocabulary: set[str], word: str) -> list[str]:
    """The longest piece first (Devlin et al. 2019), by hand."""
    found, place = [], 0
    while place < len(word):
        ends = [end for end in range(place + 1, len(word) + 1) if ("##" if place else "") + word[place:end] in vocabulary]
        if not ends:
            return ["<|unknown|>"]
        found.append(("##" if place else "") + word[place : ends[-1]])
        place = ends[-1]
    return found


def test_wordpiece_takes_the_longest_piece() -> None:
    tokenizer = train(WordPiece(vocab_size=90), BILINGUAL)
    vocabulary = set(json.loads(tokenizer.to_json())["model"]["vocab"])
    assert any(piece.startswith("##") and len(piece) > 4 for piece in vocabulary)
    for word in ["stones", "river", "rivers", "stonesriver", "andrs", "qqq", "1234", "naïve"]:
        parsed = [json_token for id in tokenizer.encode(word) for json_token in [tokenizer._parsing.id_to_token(id)]]
        assert parsed == greedy(vocabulary, word), word


@pytest.mark.parametrize(
    ("config", "text", "back"),
    [
        (WordPiece(vocab_size=90), "the  river,\n\tof stones", "the river , of stones"),  # white space, and where it stood
        (WordPiece(vocab_size=90), "江水stones", "江 水 stones"),  # Chinese characters are words
        (WordPiece(vocab_size=90), "the\0\x1b river", "the river"),  # control characters
        (WordPiece(vocab_size=90), "the Ωiver", "the <|unknown|>"),  # words with a character that is not known
        (WordPiece(vocab_size=90), "s" * 101, "<|unknown|>"),  # BERT's longest word has 100 characters
        (WordPiece(vocab_size=90), "naïve", "naïve"),
        (WordPiece(vocab_size=80, lower=True), "Naïve CAFÉ", "naive cafe"),  # capitals and accents
        (Words(vocab_size=22), "the  river,\nof sand", "the river , of <|unknown|>"),
        (Words(vocab_size=22), "The river", "<|unknown|> river"),
        (Words(vocab_size=22, lower=True), "The RIVER", "the river"),
        (Words(vocab_size=23, split="spaces"), "rivers; rivers", "rivers; <|unknown|>"),
        (Words(vocab_size=23, split="spaces"), "the <|end|>", "the <|unknown|> <|unknown|>"),  # guarded: not the special token
    ],
)
def test_what_the_lossy_kinds_lose(config: TokenizerConfig, text: str, back: str) -> None:
    assert not config.lossless
    tokenizer = train(config, BILINGUAL)
    assert tokenizer.decode(tokenizer.encode(text)) == back


def test_words_are_the_most_frequent() -> None:
    counts = Counter(word for text in BILINGUAL for word in text.split())
    tokenizer = train(Words(vocab_size=12, split="spaces"), BILINGUAL)
    expected = sorted(counts, key=lambda word: (-counts[word], word))[:5]
    assert [tokenizer.token(id) for id in range(7, 12)] == expected


def test_words_that_are_too_few_are_counted() -> None:
    with pytest.raises(HeadwaterError, match=r"gives only \d+ tokens .* \(words seen at least 2 times\)"):
        train(Words(vocab_size=1000), BILINGUAL)
