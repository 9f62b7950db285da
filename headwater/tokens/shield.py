"""How does plain text stay free of special tokens, whatever tokenizer was opened?

What a tokenizer.json holds comes in; a tokenizer with the same ids goes out whose special tokens no text can reach. The library can be
told not to look for them (`encode_special_tokens`), but a model that looks pieces up by their spelling (all but BPE, where only merges
lead to a piece) still finds those that stand in its vocabulary: to T5's unigram model, `</s>` in a text is a piece like any other.
Here they go by names that no one can guess.
"""

from __future__ import annotations

import json
import secrets
from typing import Any


def shielded(description: dict[str, Any]) -> str | None:
    """The text of the shielded tokenizer.json; None where no text can reach a special token anyway."""
    model = description["model"]
    special = {token["content"] for token in description.get("added_tokens") or [] if token["special"]}
    vocabulary = model["vocab"]
    within = special & {piece for piece, _ in vocabulary} if isinstance(vocabulary, list) else special & vocabulary.keys()
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model.get("merges", ())]
    by_merges = model.get("type") == "BPE" and not model.get("ignore_merges")
    found = within & {"".join(pair) for pair in pairs} | {token for token in within if len(token) == 1} if by_merges else within
    if not found:
        return None
    salt = secrets.token_hex(16)
    hidden = {token: f"\ufdd2{salt}{number}" for number, token in enumerate(sorted(within))}
    if isinstance(vocabulary, list):
        renamed: Any = [[hidden.get(piece, piece), score] for piece, score in vocabulary]
    else:
        renamed = {hidden.get(piece, piece): id for piece, id in vocabulary.items()}
    model = {**model, "vocab": renamed}
    if model.get("unk_token") in hidden:
        model["unk_token"] = hidden[model["unk_token"]]
    if "merges" in model:
        model["merges"] = [pair for pair in pairs if not hidden.keys() & {*pair, "".join(pair)}]
    tokens = [{**token, "content": hidden.get(token["content"], token["content"])} for token in description["added_tokens"]]
    guarded = {"pre_tokenizer": _bytes_apart(description.get("pre_tokenizer"))} if model.get("byte_fallback") else {}
    return json.dumps({**description, **guarded, "model": model, "added_tokens": tokens, "post_processor": None})


def _bytes_apart(pre_tokenizer: dict[str, Any] | None) -> dict[str, Any]:
    """The name of a byte (<0x41>) that a text has in letters must not be read as the byte."""
    apart = {"type": "Split", "pattern": {"Regex": "<(?=0x[0-9A-F]{2}>)"}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [pre_tokenizer, apart]} if pre_tokenizer else apart
