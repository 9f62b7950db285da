"""Which ids does an objective write that no text has, and what must it know of the others?

In: a tokenizer. Out: `Specials`; with `words`, also which tokens begin a word and which end a sentence (objectives/words.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headwater.objectives.rows import Ids
from headwater.objectives.words import Words, words_of
from headwater.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Specials:
    """`ordinary` are the ids of text; `start` is what a decoder starts from (the pad token, as T5's, where none is named so)."""

    ids: Mapping[str, int]
    sentinels: Ids
    ordinary: Ids
    words: Words | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer, *, words: bool = False) -> Specials:
        ids = {name: tokenizer.special(name) for name in tokenizer.names}
        ordinary = np.setdiff1d(np.arange(tokenizer.vocab_size), np.array(sorted(tokenizer.special_ids), np.int64))
        return cls(ids, np.array(tokenizer.sentinels, np.int64), ordinary, words_of(tokenizer) if words else None)

    def __getitem__(self, name: str) -> int:
        return self.ids[name]

    @property
    def start(self) -> int:
        return self.ids.get("start", self.ids["pad"])
