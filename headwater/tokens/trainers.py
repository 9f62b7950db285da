"""How is a tokenizer of each kind made from texts?

A config and texts come in (texts that can be gone through twice), a tokenizer of the `tokenizers` library goes out. Special tokens
come first in every vocabulary, then the bytes of kinds that spell with them. No piece goes over `<|` or `<0`, so that no text can
have a special token or the name of a byte (<0x41>) as a piece, at training or later.

Where the library's trainers number their tokens in an order that changes from process to process, what they learned is put in
order here, or the learning is our own (tokens/unigram.py): equal texts give equal bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, Bytes, Characters, Pieces, WordPiece, Words
from headwater.tokens.specials import UNKNOWN, spellings
from headwater.tokens.unigram import learn

Trained = BPE | Bytes | Characters | Pieces | WordPiece | Words

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]  # SentencePiece's names
SPACE = "\u2581"  # SentencePiece's sign for a space; where a text has it, it is spelled ESCAPE 1
ESCAPE = "\u241b"  # the sign for escape; where a text has it, it is spelled ESCAPE 0
RARE = "\ufdd0"  # no character: stands in training texts for those that are too rare to be learned
CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
# Spaces and what follows them: Han and kana, letters of other scripts, numbers, or signs.
WORD = rf" *(?:[{CJK}]+|[\p{{L}}\p{{M}}&&[^{CJK}]]+|\p{{N}}+|[^ \p{{L}}\p{{M}}\p{{N}}]+)| +"
GUARD = pre_tokenizers.Split(Regex(r"<(?=[|0])"), behavior="isolated")


def build(config: Trained, texts: Iterable[str]) -> tokenizers.Tokenizer:
    """Raises HeadwaterError when the texts cannot give the vocabulary asked for."""
    specials = list(spellings(config.specials, config.sentinels).values())
    if isinstance(config, Bytes):
        return _trained(_byte_level(use_words=False), [], _bpe_trainer(256 + config.reserved, 1, specials))
    if isinstance(config, Characters):
        return _characters(texts, config.min_frequency, specials)
    if isinstance(config, BPE):
        tokenizer = _trained(_byte_level(use_words=True), texts, _bpe_trainer(config.vocab_size, config.min_frequency, specials))
    elif isinstance(config, Pieces):
        tokenizer = _unigram(config, texts, specials) if config.kind == "unigram" else _merged(config, texts, specials)
    elif isinstance(config, WordPiece):
        tokenizer = _wordpiece(config, texts, [*specials, UNKNOWN])
    else:
        tokenizer = _words(config, texts, [*specials, UNKNOWN])
    reached = tokenizer.get_vocab_size()
    if reached < config.vocab_size:
        seen = f" ({_UNITS[config.kind]} seen at least {config.min_frequency} times)" if not isinstance(config, Pieces) else ""
        raise HeadwaterError(
            f"the corpus gives only {reached:,} tokens of the {config.vocab_size:,} asked for{seen}",
            where="tokenizer.vocab_size",
            mend=f"ask for at most {reached}, or give more text",
        )
    return tokenizer


_UNITS = {"bpe": "pairs", "wordpiece": "pairs", "word": "words"}


def _trained(tokenizer: tokenizers.Tokenizer, texts: Iterable[str], trainer: trainers.Trainer) -> tokenizers.Tokenizer:
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _special_tokens(texts: list[str]) -> list[AddedToken]:
    return [AddedToken(text, special=True, normalized=False) for text in texts]


def _byte_level(use_words: bool) -> tokenizers.Tokenizer:
    """Text as bytes written as printable characters; merges stay inside GPT-2's words when `use_words`."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_words)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bpe_trainer(vocab_size: int, min_frequency: int, specials: list[str]) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=_special_tokens(specials),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )


def _characters(texts: Iterable[str], min_frequency: int, specials: list[str]) -> tokenizers.Tokenizer:
    """Single characters by falling frequency, then the 256 bytes that spell any other."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    known = [char for char, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= min_frequency]
    vocabulary = {token: id for id, token in enumerate([*specials, *BYTES, *known])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(_special_tokens(specials))
    return tokenizer


def _merged(config: Pieces, texts: Iterable[str], specials: list[str]) -> tokenizers.Tokenizer:
    """Pieces by merges, over characters."""
    cleaned = _cleaned(config, texts, _metaspace(models.BPE(), config))
    fixed = [*specials, *BYTES]
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=2,
        special_tokens=fixed,
        max_token_length=config.longest + 1,  # the library joins what is shorter than this
        show_progress=False,
    )
    learned = tokenizers.Tokenizer(models.BPE())
    learned.pre_tokenizer = _training_words(config)
    model = json.loads(_trained(learned, cleaned, trainer).to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = _metaspace(models.BPE(vocab=model["vocab"], merges=merges, byte_fallback=True, fuse_unk=False), config)
    tokenizer.add_special_tokens(_special_tokens(specials))
    return tokenizer


def _unigram(config: Pieces, texts: Iterable[str], specials: list[str]) -> tokenizers.Tokenizer:
    """Pieces that together are likeliest. Special tokens and bytes have score 0, as SentencePiece writes it; no text reaches them."""
    words: Counter[str] = Counter()
    splitter = _training_words(config)
    for text in _cleaned(config, texts, _metaspace(models.BPE(), config)):
        words.update(word for word, _ in splitter.pre_tokenize_str(text))
    fixed = [*specials, *BYTES]
    pieces = learn(words, config.vocab_size - len(fixed), config.longest)
    vocabulary = [*((token, 0.0) for token in fixed), *pieces]
    tokenizer = _metaspace(models.Unigram(vocabulary, unk_id=specials.index("<|pad|>"), byte_fallback=True), config)
    tokenizer.add_special_tokens(_special_tokens(specials))
    return tokenizer


def _metaspace(model: models.Model, config: Pieces) -> tokenizers.Tokenizer:
    """A tokenizer whose pieces write a space as SPACE, and that nevertheless gives back every text."""
    tokenizer = tokenizers.Tokenizer(model)
    escapes = [normalizers.Replace(ESCAPE, ESCAPE + "0"), normalizers.Replace(SPACE, ESCAPE + "1")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *escapes] if config.nfkc else escapes)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(_word_edges(config))
    spaces = [decoders.Replace(SPACE, " "), decoders.Replace(ESCAPE + "1", SPACE), decoders.Replace(ESCAPE + "0", ESCAPE)]
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), *spaces])
    return tokenizer


def _word_edges(config: Pieces) -> list[pre_tokenizers.PreTokenizer]:
    """Spaces go with the word after them (SentencePiece's split_by_whitespace, allow_whitespace_only_pieces; its split by script is
    WORD's: the library's own, UnicodeScripts, loses spaces).
    """
    return [
        pre_tokenizers.Split(Regex(WORD), behavior="isolated"),
        *([pre_tokenizers.Digits(individual_digits=True)] if config.digits else []),
        GUARD,
        pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never", split=False),
    ]


def _training_words(config: Pieces) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Split(RARE, behavior="removed"), *_word_edges(config)])


def _cleaned(config: Pieces | WordPiece, texts: Iterable[str], tokenizer: tokenizers.Tokenizer) -> Iterator[str]:
    """The texts as the tokenizer normalizes them, with RARE for each character beyond the coverage."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    rare = _beyond(counts, config.coverage)
    kept = len(counts) - len(rare)
    bytes_too = 256 if isinstance(config, Pieces) else 0
    least = config.reserved + bytes_too + kept
    if least > config.vocab_size:
        raise HeadwaterError(
            f"{kept:,} characters cover {config.coverage:.2%} of the text: with special tokens {'and bytes ' if bytes_too else ''}they are "
            f"{least:,} tokens of the {config.vocab_size:,} asked for",
            where="tokenizer.vocab_size",
            mend=f"ask for at least {least}, or lower tokenizer.coverage",
        )
    table = dict.fromkeys(map(ord, rare), RARE)
    for text in texts:
        yield tokenizer.normalizer.normalize_str(text).translate(table)


def _beyond(counts: Mapping[str, int], coverage: float) -> list[str]:
    """The rarest characters, without which the others still cover that share of the text. RARE itself is always among them."""
    ordered = sorted(counts, key=lambda character: (character == RARE, -counts[character], character))
    total, covered, kept = sum(counts.values()), 0, 0
    while kept < len(ordered) and ordered[kept] != RARE and (covered < coverage * total or coverage == 1):
        covered += counts[ordered[kept]]
        kept += 1
    return ordered[kept:]


def _wordpiece(config: WordPiece, texts: Iterable[str], specials: list[str]) -> tokenizers.Tokenizer:
    """BERT's words; pieces by merges (as the library learns them), the longest first when reading (Devlin et al. 2019)."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=config.lower, lowercase=config.lower
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inside: list[str] = []  # the library numbers ##characters in the order of a hash table: learn first which there are
    for size in (0, config.vocab_size):
        learned = tokenizers.Tokenizer(models.BPE())
        learned.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(RARE, behavior="removed"), tokenizer.pre_tokenizer])
        trainer = trainers.BpeTrainer(
            vocab_size=size, min_frequency=config.min_frequency, continuing_subword_prefix="##", special_tokens=[*specials, *inside],
            show_progress=False,
        )  # fmt: skip
        vocabulary = _trained(learned, _cleaned(config, texts, tokenizer), trainer).get_vocab(with_added_tokens=False)
        inside = sorted(token for token in vocabulary if token.startswith("##") and len(token) == 3)
    tokenizer.model = models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix="##")
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.add_special_tokens(_special_tokens(specials))
    return tokenizer


def _words(config: Words, texts: Iterable[str], specials: list[str]) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    if config.lower:
        tokenizer.normalizer = normalizers.Lowercase()
    cut = pre_tokenizers.Whitespace() if config.split == "words" else pre_tokenizers.WhitespaceSplit()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, GUARD])
    trainer = trainers.WordLevelTrainer(
        vocab_size=config.vocab_size, min_frequency=config.min_frequency, special_tokens=_special_tokens(specials), show_progress=False
    )
    return _trained(tokenizer, texts, trainer)
