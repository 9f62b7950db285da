"""Which tokens begin a word, and which end a sentence?

In: a tokenizer. Out: `Words`, three tables of booleans over its vocabulary. What a token is depends on the bytes that it stands for,
so kinds that spell in bytes and kinds that spell in pieces are told alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.objectives.rows import Ids
from headwater.tokens.tokenizer import Tokenizer

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "\n")
UNSPACED = 0x2E80  # from here on scripts that put no spaces between words (Han, kana): each token is a word
PIECE_SPACE = "\u2581"


@dataclass(frozen=True)
class Words:
    """`opens_V`: a word begins with this token wherever it stands; `closes_V`: the next token begins one."""

    opens_V: Ids
    closes_V: Ids
    ends_sentence_V: Ids

    def numbers(self, ids: Ids) -> Ids:
        """The number of the word that each token belongs to, from 0."""
        begins = self.opens_V[ids]
        begins[1:] |= self.closes_V[ids[:-1]]
        begins[:1] = True
        numbers: Ids = begins.cumsum() - 1
        return numbers


def words_of(tokenizer: Tokenizer) -> Words:
    """Special tokens stand alone."""
    facts = json.loads(tokenizer.to_json())
    model = facts["model"]
    pieces = model["vocab"].items() if isinstance(model["vocab"], dict) else ((each[0], id) for id, each in enumerate(model["vocab"]))
    in_bytes = _spells_bytes(facts)
    whole_words = model["type"] == "WordLevel"
    opens, closes, ends = (np.zeros(tokenizer.vocab_size, np.bool_) for _ in range(3))
    for piece, id in pieces:
        if whole_words or model["type"] == "WordPiece":
            continues = model.get("continuing_subword_prefix")
            opens[id], text = not continues or not piece.startswith(continues), piece
            ends[id] = text.endswith(SENTENCE_ENDS)
        else:
            opens[id], closes[id], ends[id] = _of_bytes(_bytes_of(piece, in_bytes))
    special = sorted(tokenizer.special_ids)
    opens[special], closes[special], ends[special] = True, True, False
    return Words(opens, closes, ends)


def _of_bytes(piece: bytes) -> tuple[bool, bool, bool]:
    """Whether a word begins here, whether one begins after it, whether a sentence ends."""
    first = piece.decode("utf-8", "replace")[:1]
    if not piece or 0x80 <= piece[0] < 0xC0:
        opens = False  # the rest of a character
    elif first == "\ufffd":
        opens = piece[0] >= 0xE3 and piece[0] < 0xF0  # a character's first byte: E3 … EF are Han, kana, Hangul
    else:
        opens = not first.isalnum() or ord(first) >= UNSPACED
    last = piece.decode("utf-8", "ignore")[-1:]
    text = piece.decode("utf-8", "replace").rstrip(" ")
    return opens, bool(last) and not last.isalnum() and not piece.endswith(b" "), text.endswith(SENTENCE_ENDS)


def _spells_bytes(facts: dict[str, Any]) -> bool:
    """Whether pieces are written in GPT-2's characters for bytes."""
    return '"ByteLevel"' in json.dumps([facts.get("pre_tokenizer"), facts.get("decoder")])


def _bytes_of(piece: str, in_bytes: bool) -> bytes:
    if in_bytes:
        known = [_BYTES.get(character) for character in piece]
        return bytes(byte for byte in known if byte is not None) if None not in known else piece.encode()
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(PIECE_SPACE, " ").encode()


def _byte_characters() -> dict[str, int]:
    """GPT-2's table: printable Latin-1 characters stand for their own byte, those from U+0100 on for the others in order."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_BYTES = _byte_characters()
