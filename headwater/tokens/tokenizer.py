"""Text to token ids and back, without loss: byte-level BPE, bytes, characters.

One file, `tokenizer.json`, is the whole tokenizer; Hugging Face's `tokenizers` and `transformers` open it. Special tokens
are never parsed out of text (a page that says `<|end|>` must not end a document): only `parse`, which reads rendered chat
templates, knows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tokenizers
import xxhash
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, Bytes, TokenizerConfig

SPECIALS = {
    "end": "<|end|>",  # closes a document; starts generation from nothing
    "pad": "<|pad|>",
    "system": "<|system|>",
    "user": "<|user|>",
    "assistant": "<|assistant|>",
    "turn": "<|turn|>",  # closes a turn of a dialogue
}


class Tokenizer:
    """A tokenizer.json at work."""

    def __init__(self, json: str) -> None:
        self._json = json
        self._parsing = tokenizers.Tokenizer.from_str(json)
        self._plain = tokenizers.Tokenizer.from_str(json)
        self._plain.encode_special_tokens = True
        missing = [text for text in SPECIALS.values() if self._parsing.token_to_id(text) is None]
        if missing:
            raise HeadwaterError(
                f"lacks the special tokens {', '.join(missing)}", where="tokenizer.json", mend="train it with `headwater run`"
            )
        self._specials = {name: self._parsing.token_to_id(text) or 0 for name, text in SPECIALS.items()}

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        try:
            json = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise HeadwaterError("no such file", where=path, mend="a model directory has its tokenizer.json") from None
        except UnicodeDecodeError:
            raise HeadwaterError(
                "is no tokenizer.json (not UTF-8)", where=path, mend="it was damaged, or is another kind of file"
            ) from None
        try:
            return cls(json)
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
        """Id of end, pad, system, user, assistant or turn."""
        return self._specials[name]

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; what looks like a special token in it is text."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

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


def train(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Make a tokenizer from texts. Raises HeadwaterError when the texts cannot give the vocabulary asked for."""
    if isinstance(config, Bytes):
        tokenizer, trainer = _byte_level(use_words=False), _bpe_trainer(256 + len(SPECIALS), 1)
        tokenizer.train_from_iterator([], trainer)
    elif isinstance(config, BPE):
        tokenizer = _byte_level(use_words=True)
        tokenizer.train_from_iterator(texts, _bpe_trainer(config.vocab_size, config.min_frequency))
        reached = tokenizer.get_vocab_size()
        if reached < config.vocab_size:
            raise HeadwaterError(
                f"the corpus gives only {reached:,} tokens of the {config.vocab_size:,} asked for "
                f"(pairs seen at least {config.min_frequency} times)",
                where="tokenizer.vocab_size",
                mend=f"ask for at most {reached}, or give more text",
            )
    else:
        tokenizer = _characters(texts, config.min_frequency)
    return Tokenizer(tokenizer.to_str())


def _byte_level(use_words: bool) -> tokenizers.Tokenizer:
    """Text as bytes written as printable characters; merges stay inside GPT-2's words when `use_words`."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_words)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bpe_trainer(vocab_size: int, min_frequency: int) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=_special_tokens(),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )


def _special_tokens() -> list[AddedToken]:
    return [AddedToken(text, special=True, normalized=False) for text in SPECIALS.values()]


def _characters(texts: Iterable[str], min_frequency: int) -> tokenizers.Tokenizer:
    """Single characters by falling frequency, then the 256 bytes that spell any other."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    known = [char for char, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= min_frequency]
    tokens = [*SPECIALS.values(), *(f"<0x{byte:02X}>" for byte in range(256)), *known]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(_special_tokens())
    return tokenizer


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
