"""How is a tokenizer that exists opened, so that it has the special tokens by name?

A config that names a file comes in, the text of a tokenizer.json goes out. Ids stay what they are. A token that the file spells in
one of the usual ways gets its name (written beside it: `names`); special tokens that are not there are added at the end.
"""

from __future__ import annotations

import json
from typing import Any

import tokenizers
from tokenizers import AddedToken

from headwater.core.errors import HeadwaterError, nearest
from headwater.core.storage import read_bytes
from headwater.tokens import ranks, spm
from headwater.tokens.config import File
from headwater.tokens.specials import EXTRAS, UNKNOWN, spellings

# How others spell them, the likeliest first. Roles and turns are not here: our chat template writes them in our spelling.
USUAL = {
    "end": ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[EOS]"),
    "pad": ("<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>"),
    "unknown": (UNKNOWN, "<unk>", "[UNK]"),
    "mask": ("[MASK]", "<mask>"),
    "gmask": ("[gMASK]",),
    "sop": ("<sop>", "<|startofpiece|>"),
    "eop": ("<eop>", "<|endofpiece|>"),
    "cls": ("[CLS]",),
    "sep": ("[SEP]",),
    "prefix": ("<|fim_prefix|>", "<fim_prefix>"),
    "middle": ("<|fim_middle|>", "<fim_middle>"),
    "suffix": ("<|fim_suffix|>", "<fim_suffix>"),
    "r": ("[NLU]",),  # UL2's
    "s": ("[S2S]",),
    "x": ("[NLG]",),
}


def open_json(config: File) -> str:
    """Raises HeadwaterError for what is no tokenizer, and where a special token cannot be had."""
    description = _described(config)
    description.update({"truncation": None, "padding": None})
    tokenizer = _working(description, config.path)
    added = {token["content"]: token for token in description.get("added_tokens") or []}
    for text, token in added.items():
        if tokenizer.token_to_id(text) != token["id"]:
            raise HeadwaterError(f"leaves a gap before '{text}'", where=config.path, mend="its ids must follow one another")
    named = {name: text for name, text in _named(config, tokenizer, added).items() if text is not None}
    asked = spellings(config.specials, config.sentinels)
    new = [text for name, text in asked.items() if name not in named]
    for text in new:
        if tokenizer.token_to_id(text) is not None:
            raise HeadwaterError(f"has '{text}' as an ordinary token", where=config.path, mend="say by tokenizer.names which is meant")
    size = tokenizer.get_vocab_size()
    if max(tokenizer.get_vocab().values()) != size - 1:
        raise HeadwaterError("leaves ids out", where=config.path, mend="its ids must follow one another")
    for text in added.keys() & set(named.values()):
        added[text]["special"] = True
    tokenizer = _working(description, config.path)
    ordinary = [text for text in dict.fromkeys(named.values()) if text not in added]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in [*ordinary, *new]])
    return _with_names(tokenizer.to_str(), named)


def _described(config: File) -> dict[str, Any]:
    """The file as what a tokenizer.json holds."""
    try:
        data = read_bytes(config.path)
    except OSError as error:
        raise HeadwaterError(f"cannot be read ({error.strerror or error})", where=config.path, mend="check the path") from None
    if config.path.endswith(".model"):
        return spm.convert(data, config.path)
    if config.path.endswith(".tiktoken"):
        return ranks.convert(data, config.pattern, config.path)
    if not config.path.endswith(".json"):
        raise HeadwaterError("is of no known kind", where=config.path, mend="name a tokenizer.json, a .model or a .tiktoken file")
    try:
        description = json.loads(data)
    except ValueError as error:
        raise HeadwaterError(
            f"is no tokenizer.json ({error})", where=config.path, mend="it was damaged, or is another kind of file"
        ) from None
    if not isinstance(description, dict) or "model" not in description:
        raise HeadwaterError("is no tokenizer.json", where=config.path, mend="vocab.json and tokenizer_config.json are other files")
    return description


def _working(description: dict[str, Any], where: object) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(description))
    except Exception as error:  # the library raises bare Exception for what it cannot read
        raise HeadwaterError(f"is no tokenizer.json ({error})", where=where, mend="it was damaged, or is another kind of file") from None


def _named(config: File, tokenizer: tokenizers.Tokenizer, added: dict[str, Any]) -> dict[str, str | None]:
    """`{name: token}`: as the recipe says, else as the file itself, else in our spelling or a usual one."""
    for name, text in config.names.items():
        if tokenizer.token_to_id(text) is None:
            raise HeadwaterError(
                f"has no token '{text}' to be '{name}'", where=config.path, mend=nearest(text, added or ["no special tokens"])
            )
    own = {name: text for text, token in added.items() for name in token.get("names", ())}
    ours = {**spellings(EXTRAS, len(added)), "unknown": UNKNOWN}
    usual = {**USUAL, **{str(place): (f"<extra_id_{place}>",) for place in range(len(added))}}
    found = {name: next((text for text in (ours[name], *usual.get(name, ())) if text in added), None) for name in ours}
    return {**found, **own, **config.names}


def _with_names(text: str, named: dict[str, str]) -> str:
    """The tokenizer.json with the names of those tokens that are not in our spelling."""
    ours = {**spellings(EXTRAS, len(named)), "unknown": UNKNOWN}
    foreign = {name: spelled for name, spelled in named.items() if spelled != ours[name]}
    if not foreign:
        return text
    description = json.loads(text)
    for token in description["added_tokens"]:
        if names := sorted(name for name, spelled in foreign.items() if spelled == token["content"]):
            token["names"] = names
    return json.dumps(description, ensure_ascii=False, separators=(",", ":"))
