"""How do tiktoken's ranks become a tokenizer.json?

The bytes of a `.tiktoken` file come in (a line for each token: its bytes in base64, its rank, which is its id), with the pattern
that cuts text into words, which the file does not say; the tokenizer as plain data goes out. It has no special tokens yet.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from headwater.core.errors import HeadwaterError

_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
PATTERNS = {  # those of tiktoken 0.14 (tiktoken_ext/openai_public.py), in words that this library's regular expressions know
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": rf"{_SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SUFFIX}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SUFFIX}?|\p{{N}}{{1,3}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def convert(data: bytes, pattern: str, where: object) -> dict[str, Any]:
    """The tokenizer as what tokenizer.json holds; `pattern` is a name of PATTERNS or a regular expression.

    Raises HeadwaterError for what are no ranks, or not all bytes among them.
    """
    ranks = read(data, where)
    spell = letters()
    names = {token: "".join(spell[byte] for byte in token) for token in ranks}
    merges = []  # tiktoken joins any two neighbours that make a token, the lowest rank first: every way to cut one in two is a merge
    for token in sorted(ranks, key=lambda token: ranks[token]):
        cuts = [(token[:cut], token[cut:]) for cut in range(1, len(token)) if token[:cut] in ranks and token[cut:] in ranks]
        merges += [[names[left], names[right]] for left, right in cuts]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERNS.get(pattern, pattern)}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,  # a word that is a token is one, whether or not its merges lead there
            "vocab": {names[token]: rank for token, rank in ranks.items()},
            "merges": merges,
        },
    }


def read(data: bytes, where: object) -> dict[bytes, int]:
    """`{token: rank}`. Raises HeadwaterError where the ranks are damaged, have gaps, or do not begin with the 256 bytes."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise HeadwaterError("is no token in base64 and its rank", where=f"{where}:{number}",
                                 mend="it was damaged, or is another kind of file") from None  # fmt: skip
    if sorted(ranks.values()) != list(range(len(ranks))):
        raise HeadwaterError("has ranks twice, or leaves some out", where=where, mend="each rank from 0 on stands once")
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise HeadwaterError(f"has no token for the byte {missing[0]}", where=where, mend="all 256 bytes must be tokens")
    return ranks


def letters() -> list[str]:
    """The letter that byte-level BPE writes for each byte (GPT-2): printable Latin-1 is itself, the others follow from U+0100."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]
