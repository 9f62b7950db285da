"""Text to token ids and back.

One file, `tokenizer.json`, is the whole tokenizer; Hugging Face's `tokenizers` and `transformers` open it. Special tokens
are never parsed out of text (a page that says `<|end|>` must not end a document): only `parse`, which reads rendered chat
templates, knows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tokenizers
import xxhash

from headwater.core.errors import HeadwaterError, nearest
from headwater.tokens.config import File, TokenizerConfig
from headwater.tokens.shield import shielded
from headwater.tokens.specials import EXTRAS, SPECIALS, UNKNOWN, sentinel

__all__ = ["SPECIALS", "Tokenizer", "bytes_per_token", "train"]


class Tokenizer:
    """A tokenizer.json at work. `sentinels` are the ids of <|0|>, <|1|> … in their order."""

    def __init__(self, text: str) -> None:
        self._json = text
        self._parsing = tokenizers.Tokenizer.from_str(text)
        description = json.loads(text)
        self._plain = tokenizers.Tokenizer.from_str(shielded(description) or text)
        self._plain.encode_special_tokens = True
        self._specials, self.sentinels = _named(description, self._parsing)
        missing = [token for name, token in SPECIALS.items() if name not in self._specials]
        if missing:
            raise HeadwaterError(
                f"lacks the special tokens {', '.join(missing)}",
                where="tokenizer.json",
                mend="train it with `headwater run`, or open it there with tokenizer: {kind: file}",
            )

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise HeadwaterError("no such file", where=path, mend="a model directory has its tokenizer.json") from None
        except UnicodeDecodeError:
            raise HeadwaterError(
                "is no tokenizer.json (not UTF-8)", where=path, mend="it was damaged, or is another kind of file"
            ) from None
        try:
            return cls(text)
        except HeadwaterError as error:
            raise HeadwaterError(error.what, where=path, mend=error.mend) from None
        except Exception as error:  # the library raises bare Exception for a file that it cannot read
            raise HeadwaterError(f"is no tokenizer.json ({error})", where=path, mend="it was damaged, or is another kind of file") from None

    def to_json(self) -> str:
        return self._json

    @property
    def hash(self) -> str:
        return xxhash.xxh3_128_hexdigest(self._json.encode())

    @property
    def vocab_size(self) -> int:
        return int(self._parsing.get_vocab_size())

    def special(self, name: str) -> int:
        """Id of end, pad, system, user, assistant or turn, or of one that its recipe asked for.

        Raises HeadwaterError when this tokenizer has none of that name.
        """
        if name not in self._specials:
            mend = f"add it to tokenizer.specials: [{name}]" if name in EXTRAS else nearest(name, [*SPECIALS, *EXTRAS])
            raise HeadwaterError(f"has no special token '{name}'", where="tokenizer", mend=mend)
        return self._specials[name]

    def has(self, name: str) -> bool:
        """Whether there is a special token of this name."""
        return name in self._specials

    @property
    def names(self) -> tuple[str, ...]:
        """The names that `special` knows here."""
        return tuple(self._specials)

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of all special tokens and sentinels: what no text has and no reader should see."""
        return frozenset([*self._specials.values(), *self.sentinels])

    def spelling(self, name: str) -> str:
        """How the special token is written, as chat templates and Hugging Face's configs have it."""
        return str(self._parsing.id_to_token(self.special(name)))

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; what looks like a special token in it is text."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of plain text, and the characters that each stands for: where they begin, and the place behind them."""
        encoding = self._plain.encode(text, add_special_tokens=False)
        return list(encoding.ids), list(encoding.offsets)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._plain.encode_batch_fast(texts, add_special_tokens=False)]

    def parse(self, text: str) -> list[int]:
        """Ids of a rendered chat template: special tokens in it are special."""
        return list(self._parsing.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; special tokens are spelled out, bytes that are no UTF-8 become U+FFFD."""
        return str(self._parsing.decode(list(ids), skip_special_tokens=False))

    def token(self, id: int) -> str:
        """A token as people would see it alone."""
        return self.decode([id])


def _named(description: dict[str, Any], tokenizer: tokenizers.Tokenizer) -> tuple[dict[str, int], list[int]]:
    """`{name: id}` of the special tokens, and the ids of the sentinels in their order.

    A tokenizer of ours is known by our spellings; one that was opened carries the names beside its added tokens.
    """
    tokens = description.get("added_tokens") or []
    added = {text: id for token in tokens if (id := tokenizer.token_to_id(text := token["content"])) is not None}
    known = {**SPECIALS, **EXTRAS, "unknown": UNKNOWN, **{str(place): sentinel(place) for place in range(len(tokens))}}
    named = {name: added[text] for name, text in known.items() if text in added}
    for token in tokens:
        named.update(dict.fromkeys(token.get("names", ()), added[token["content"]]))
    sentinels: list[int] = []
    while (place := str(len(sentinels))) in named:
        sentinels.append(named.pop(place))
    return named, sentinels


def train(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Make a tokenizer from texts (gone through twice by some kinds), or open the one that the config names.

    Raises HeadwaterError when the texts cannot give the vocabulary asked for, or the file is no tokenizer.
    """
    from headwater.tokens.opening import open_json
    from headwater.tokens.trainers import build

    if isinstance(config, File):
        return Tokenizer(open_json(config))
    return Tokenizer(build(config, list(texts) if isinstance(texts, Iterator) else texts).to_str())


def bytes_per_token(tokenizer: Tokenizer, texts: Iterable[tuple[str, str]]) -> dict[str, float]:
    """`{"all": …, language: …}` over `(language, text)` pairs: the higher, the fewer tokens a text costs."""
    counts: dict[str, list[int]] = {}
    for language, text in texts:
        tokens, size = len(tokenizer.encode(text)), len(text.encode())
        for key in ("all", language):
            count = counts.setdefault(key, [0, 0])
            count[0] += size
            count[1] += tokens
    return {key: round(size / tokens, 4) for key, (size, tokens) in sorted(counts.items()) if tokens}
