"""`headwater import`: a Hugging Face checkpoint becomes a model directory, and what was changed on the way is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from headwater.core.errors import HeadwaterError, nearest
from headwater.core.storage import read_json
from headwater.model.directory import NATIVE_CONFIG
from headwater.model.importing import import_model
from headwater.tokens.specials import EXTRAS, SPECIALS, Name


def import_(checkpoint: Path, target: Path, tokenizer: Path | None, names: Sequence[str], as_json: bool) -> None:
    """Write the directory and print what it is. Raises HeadwaterError where the target holds anything, so that nothing is lost."""
    if target.exists() and not target.is_dir():
        raise HeadwaterError("is a file", where=target, mend="name a folder")
    if target.is_dir() and any(target.iterdir()):
        raise HeadwaterError("is not empty", where=target, mend="name a new folder, or delete that one first")
    if tokenizer is not None and not tokenizer.is_file():
        raise HeadwaterError("no such file", where=tokenizer, mend="name a tokenizer.json, .model or .tiktoken file")
    done = import_model(checkpoint, target, tokenizer=tokenizer, names=dict(map(_named, names)))
    config, about = done.model.config, read_json(target / NATIVE_CONFIG)
    count = config.parameter_count()
    if as_json:
        print(json.dumps({"path": str(target), "family": about["family"], "kind": config.kind, "parameters": count,
                          "notes": list(done.notes), "config": about["config"]}, ensure_ascii=False))  # fmt: skip
        return
    for note in done.notes:
        print(f"note: {note}")
    print(f"{target}: {about['family']}, {config.kind}, {count:,} parameters, {done.model.tokenizer.vocab_size:,} tokens")


def _named(word: str) -> tuple[Name, str]:
    """`end=</s>` -> ("end", "</s>")."""
    known = [*SPECIALS, "unknown", *EXTRAS]
    name, separator, spelling = word.partition("=")
    if not separator or not spelling:
        raise HeadwaterError(f"'{word}' is not of the form NAME=TOKEN", where="--name", mend="for example --name end='</s>'")
    if name not in known:
        raise HeadwaterError(f"there is no special token '{name}'", where="--name", mend=nearest(name, known))
    return cast(Name, name), spelling
