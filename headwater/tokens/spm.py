"""How does a SentencePiece model become a tokenizer.json?

The bytes of a `.model` file (a protocol buffer, sentencepiece_model.proto) come in, the tokenizer as plain data goes out. Pieces
keep their ids and scores. Encoding is SentencePiece's own (the oracle of the tests) for unigram and BPE models; what a
tokenizer.json cannot tell is refused. What differs: where two ways to cut a text are equally likely, either may be taken; a combining
mark after a character that the model's own table rewrites is lost by the `tokenizers` library (3 in 10,000 odd strings, none in text
that people write); the space that is put before a text (add_dummy_prefix) is put before every stretch between two special tokens; and
around runs of spaces that are symbols of the user's, SentencePiece's unigram models take a less likely cut now and then in long texts.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.tokens.trainers import BYTES, SPACE

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2
Field = int | bytes


@dataclass
class Model:
    """What a .model says, by the names of sentencepiece_model.proto; the defaults are the file's."""

    pieces: list[tuple[str, float, int]]  # piece, score, type
    model_type: int = UNIGRAM
    byte_fallback: bool = False
    treat_whitespace_as_suffix: bool = False
    precompiled_charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True


def convert(data: bytes, where: object) -> dict[str, Any]:
    """The tokenizer as what tokenizer.json holds. Raises HeadwaterError for what is no such model, or is one that can't be told."""
    try:
        model = read(data)
    except (ValueError, IndexError, struct.error):
        raise HeadwaterError("is no SentencePiece model", where=where, mend="it was damaged, or is another kind of file") from None
    if not model.pieces:
        raise HeadwaterError("is no SentencePiece model", where=where, mend="it was damaged, or is another kind of file")
    _refuse(model, where)
    kinds = [kind for _, _, kind in model.pieces]
    added = [
        {"id": id, "content": piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": kind == USER,
         "special": kind != USER}
        for id, (piece, _, kind) in enumerate(model.pieces)
        if kind in (UNKNOWN, CONTROL) or (kind == USER and model.model_type == BPE)
    ]  # fmt: skip
    inner = any(SPACE in piece[1:] for piece, _, kind in model.pieces if kind in (NORMAL, USER))
    words = {"type": "Split", "pattern": {"String": SPACE}, "behavior": "MergedWithNext", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": list(_normalizers(model))},
        "pre_tokenizer": None if inner else words,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": list(_decoders(model))},
        "model": _unigram(model, kinds.index(UNKNOWN)) if model.model_type == UNIGRAM else _bpe(model, kinds.index(UNKNOWN)),
    }


def _refuse(model: Model, where: object) -> None:
    kinds = {kind for _, _, kind in model.pieces}
    names = [piece for piece, _, _ in model.pieces]
    wrong = {
        "is neither a unigram nor a BPE model": model.model_type not in (UNIGRAM, BPE),
        "has no piece for the unknown": UNKNOWN not in kinds,
        "names a piece twice": len(set(names)) < len(names),
        "has pieces marked unused": UNUSED in kinds,
        "writes spaces at the end of words": model.treat_whitespace_as_suffix,
        "does not escape spaces": not model.escape_whitespaces,
        "merges, puts a space before the text and has symbols of its user's": (
            model.model_type == BPE and model.add_dummy_prefix and USER in kinds
        ),
        "falls back to bytes and does not have all 256": model.byte_fallback and not set(BYTES) <= set(names),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise HeadwaterError(f"{what}, which a tokenizer.json cannot tell", where=where, mend="take the model's tokenizer.json instead")


def read(data: bytes) -> Model:
    """The parts of ModelProto that shape ids. Raises ValueError, IndexError or struct.error for what is none."""
    model = Model([])
    for number, value in _fields(data):
        if number == 1:
            piece = dict(_fields(_message(value)))
            (score,) = struct.unpack("<f", _message(piece.get(2, b"\0\0\0\0")))
            model.pieces.append((_message(piece.get(1, b"")).decode(), score, int(piece.get(3, NORMAL))))
        elif number == 2:
            trainer = dict(_fields(_message(value)))
            model.model_type = int(trainer.get(3, UNIGRAM))
            model.treat_whitespace_as_suffix = bool(trainer.get(24, False))
            model.byte_fallback = bool(trainer.get(35, False))
        elif number == 3:
            normalizer = dict(_fields(_message(value)))
            model.precompiled_charsmap = _message(normalizer.get(2, b""))
            model.add_dummy_prefix = bool(normalizer.get(3, True))
            model.remove_extra_whitespaces = bool(normalizer.get(4, True))
            model.escape_whitespaces = bool(normalizer.get(5, True))
    return model


def _message(value: Field) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where a message should")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Field]]:
    """(field number, value) of a message: numbers as they are, strings, messages and floats as their bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        value: Field
        if key & 7 == 0:
            value, place = _varint(data, place)
        else:
            size, place = _varint(data, place) if key & 7 == 2 else ({1: 8, 5: 4}.get(key & 7, len(data) + 1), place)
            value, place = data[place : place + size], place + size
        if place > len(data):
            raise ValueError("ends inside a field")
        yield key >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first; and the place after it."""
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _normalizers(model: Model) -> Iterator[dict[str, Any]]:
    if model.precompiled_charsmap:
        yield {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(model.precompiled_charsmap).decode()}
    if model.remove_extra_whitespaces:
        yield {"type": "Replace", "pattern": {"Regex": r"\A +"}, "content": ""}
        yield {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    if model.add_dummy_prefix:
        yield {"type": "Prepend", "prepend": SPACE}
    yield {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    if model.remove_extra_whitespaces:
        yield {"type": "Replace", "pattern": {"Regex": rf"{SPACE}+\z"}, "content": ""}


def _decoders(model: Model) -> Iterator[dict[str, Any]]:
    yield {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    if model.byte_fallback:
        yield {"type": "ByteFallback"}
    yield {"type": "Fuse"}
    if model.add_dummy_prefix:
        yield {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def _unigram(model: Model, unknown: int) -> dict[str, Any]:
    """To symbols of the user's SentencePiece gives another score than the file (unigram_model.cc: the length times a best score that
    it takes to be 0, less 0.1).
    """
    vocabulary = [[piece, -0.1 if kind == USER else score] for piece, score, kind in model.pieces]
    return {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": model.byte_fallback}


def _bpe(model: Model, unknown: int) -> dict[str, Any]:
    """SentencePiece joins any two neighbours that make a piece, the best score first: every way to cut a piece in two is a merge."""
    scores = {piece: score for piece, score, kind in model.pieces if kind == NORMAL}
    merges = []
    for piece in sorted(scores, key=lambda piece: -scores[piece]):
        merges += [[piece[:cut], piece[cut:]] for cut in range(1, len(piece)) if piece[:cut] in scores and piece[cut:] in scores]
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": model.pieces[unknown][0],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": model.byte_fallback,
        "ignore_merges": False,
        "vocab": {piece: id for id, (piece, _, _) in enumerate(model.pieces)},
        "merges": merges,
    }
