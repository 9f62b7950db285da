"""Which special tokens are there, and how are they spelled?

Six are in every tokenizer, others are there when the recipe asks for them (`tokenizer: {specials: [mask], sentinels: 100}`).
They come first in the vocabulary, in the order of these tables whatever the recipe's order, sentinels last among them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

SPECIALS = {
    "end": "<|end|>",  # closes a document; starts generation from nothing
    "pad": "<|pad|>",
    "system": "<|system|>",
    "user": "<|user|>",
    "assistant": "<|assistant|>",
    "turn": "<|turn|>",  # closes a turn of a dialogue
}

Extra = Literal["mask", "gmask", "sop", "eop", "cls", "sep", "start", "prefix", "middle", "suffix", "r", "s", "x"]
Name = Literal["end", "pad", "system", "user", "assistant", "turn", "unknown"] | Extra

EXTRAS: dict[str, str] = {  # a key for each Extra
    "mask": "<|mask|>",  # a hidden token (BERT), a short blank (GLM)
    "gmask": "<|gmask|>",  # a long blank at the end (GLM)
    "sop": "<|sop|>",  # start and end of a piece that fills a blank (GLM)
    "eop": "<|eop|>",
    "cls": "<|cls|>",  # stands for the whole input (BERT)
    "sep": "<|sep|>",  # closes a segment (BERT)
    "start": "<|start|>",  # what a decoder starts from (BART; T5 takes pad)
    "prefix": "<|prefix|>",  # fill in the middle (Bavarian et al. 2022)
    "middle": "<|middle|>",
    "suffix": "<|suffix|>",
    "r": "<|r|>",  # modes of UL2 (Tay et al. 2022): regular, sequential, extreme denoising
    "s": "<|s|>",
    "x": "<|x|>",
}

UNKNOWN = "<|unknown|>"
"""What a word that a lossy kind does not know becomes; only those kinds have it, by the name `unknown`."""


def sentinel(place: int) -> str:
    """The token that stands for the span number `place`, from 0 (T5's <extra_id_0> …)."""
    return f"<|{place}|>"


def spellings(specials: Collection[str] = (), sentinels: int = 0) -> dict[str, str]:
    """`{name: token}` in the order of the vocabulary; sentinels by their place as text."""
    chosen = {name: text for name, text in EXTRAS.items() if name in specials}
    return {**SPECIALS, **chosen, **{str(place): sentinel(place) for place in range(sentinels)}}
