"""SentencePiece models read as SentencePiece reads them (fixtures: data/make.py), and refused where a tokenizer.json cannot tell them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import File
from headwater.tokens.spm import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER, convert, read
from headwater.tokens.tokenizer import Tokenizer, train

DATA = Path(__file__).parent / "data"
MODELS = ["unigram", "unigram_bytes", "bpe", "bpe_bytes"]
EXPECTED = json.loads((DATA / "expected.json").read_text())


@pytest.fixture(scope="module")
def opened() -> dict[str, Tokenizer]:
    return {name: train(File(path=str(DATA / f"{name}.model")), []) for name in MODELS}


@pytest.mark.oracle
@pytest.mark.parametrize("name", MODELS)
def test_ids_are_sentencepiece_s(opened: dict[str, Tokenizer], name: str) -> None:
    tokenizer = opened[name]
    differ = []
    for text, ids in EXPECTED[name]:
        found = tokenizer.encode(text)
        if found != ids:
            differ.append(text)
            assert sorted(found) == sorted(ids), text  # equal pieces in another order are equally likely
    assert len(differ) <= 2 and (not differ or name.startswith("unigram"))
    assert len(EXPECTED[name]) > 250


@pytest.mark.parametrize(("name", "end", "pad"), [("unigram", 2, 3), ("unigram_bytes", 2, 1000), ("bpe", 2, 1000), ("bpe_bytes", 2, 1000)])
def test_its_specials_have_their_names(opened: dict[str, Tokenizer], name: str, end: int, pad: int) -> None:
    tokenizer = opened[name]
    assert (tokenizer.special("end"), tokenizer.special("pad"), tokenizer.special("unknown")) == (end, pad, 0)
    assert tokenizer.spelling("end") == "</s>" and tokenizer.spelling("turn") == "<|turn|>"
    assert tokenizer.special("turn") == tokenizer.vocab_size - 1 and tokenizer.special("user") >= 1000
    assert tokenizer.parse("<|user|></s>")[:1] == [tokenizer.special("user")] and tokenizer.parse("<|user|></s>")[-1:] == [end]


def test_what_spells_bytes_comes_back(opened: dict[str, Tokenizer]) -> None:
    for text, _ in EXPECTED["unigram_bytes"]:
        if "▁" not in text:  # its sign for a space
            assert opened["unigram_bytes"].decode(opened["unigram_bytes"].encode(text)) == text
            assert opened["bpe_bytes"].decode(opened["bpe_bytes"].encode(text)) == text


def test_the_fields_of_the_file() -> None:
    model = read((DATA / "bpe_bytes.model").read_bytes())
    assert (model.model_type, model.byte_fallback, model.add_dummy_prefix, model.remove_extra_whitespaces) == (2, True, True, False)
    assert model.precompiled_charsmap == b"" and read((DATA / "unigram.model").read_bytes()).precompiled_charsmap
    assert model.pieces[0] == ("<unk>", 0.0, UNKNOWN) and model.pieces[2] == ("</s>", 0.0, CONTROL)
    assert model.pieces[3] == ("<0x00>", 0.0, BYTE) and model.pieces[259] == ("▁▁", 0.0, NORMAL)
    assert len(model.pieces) == 1000


def number(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + number(value >> 7) if value > 0x7F else bytes([value])


def field(place: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer, by hand."""
    return number(place << 3) + number(value) if isinstance(value, int) else number(place << 3 | 2) + number(len(value)) + value


def model(*pieces: tuple[str, int], trainer: bytes = b"", normalizer: bytes = b"") -> bytes:
    made = b""
    for text, kind in pieces:
        made += field(1, field(1, text.encode()) + number(2 << 3 | 5) + struct.pack("<f", -1.0) + field(3, kind))
    return made + field(2, trainer) + field(3, normalizer)


BASE = (("<unk>", UNKNOWN), ("a", NORMAL))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no SentencePiece model"),
        (b"\xff" * 40, "is no SentencePiece model"),
        (b"{}", "is no SentencePiece model"),
        ((DATA / "bpe.model").read_bytes()[:-3], "is no SentencePiece model"),
        ((DATA / "bpe.model").read_bytes()[:5000], "is no SentencePiece model"),
        (model(*BASE, trainer=field(3, 4)), "neither a unigram nor a BPE model"),
        (model(("a", NORMAL)), "no piece for the unknown"),
        (model(*BASE, ("a", NORMAL)), "names a piece twice"),
        (model(*BASE, ("b", UNUSED)), "unused"),
        (model(*BASE, trainer=field(24, 1)), "spaces at the end"),
        (model(*BASE, normalizer=field(5, 0)), "does not escape spaces"),
        (model(*BASE, ("b", USER), trainer=field(3, 2)), "symbols of its user's"),
        (model(*BASE, trainer=field(35, 1)), "all 256"),
    ],
)
def test_what_cannot_be_told_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=rf"^x.model: .*{sentence}"):
        convert(data, "x.model")


def test_a_model_made_by_hand_is_read() -> None:
    assert convert(model(*BASE), "x.model")["model"]["vocab"] == [["<unk>", -1.0], ["a", -1.0]]
