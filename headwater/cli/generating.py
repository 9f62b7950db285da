"""A model writes on from a prompt, fills its masks, or answers what its encoder reads: whatever its kind can.

decoder           the prompt, then what follows
encoder–decoder   what it writes about the prompt (`<|0|>` in it is a sentinel: what was cut out)
encoder           for each `<|mask|>` of the prompt the likeliest tokens
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from headwater.cli.chat import prompt_text, shown
from headwater.core.errors import HeadwaterError
from headwater.generation.beam import Beam, search
from headwater.generation.fill import fill
from headwater.generation.generate import stream
from headwater.generation.sampling import Sampling
from headwater.generation.stop import StopStrings, until
from headwater.generation.text import text_stream
from headwater.model import directory

CANDIDATES = 5


def generate(
    path: Path, prompt: str, count: int, sampling: Sampling, seed: int, as_json: bool, stops: Sequence[str] = (), beams: int | None = None
) -> None:
    """Print `count` continuations of a prompt (a decoder's with the prompt), or the best of a beam search."""
    model = directory.load(path)
    text = prompt_text(prompt)
    StopStrings(model.tokenizer, stops)
    if model.config.head.kind not in ("lm", "mlm"):
        raise HeadwaterError(f"has a head of kind {model.config.head.kind}, which writes nothing", where=path, mend="name a language model")
    if model.config.kind == "encoder":
        _fill(model, text, as_json)
        return
    answers = [until(_searched(model, text, sampling, beams), stops)] if beams else _answers(model, text, count, sampling, seed, stops)
    before = "" if model.config.kind == "encoder-decoder" else text
    for number, pieces in enumerate(answers):
        if as_json:
            print(json.dumps({"prompt": text, "text": "".join(pieces)}, ensure_ascii=False), flush=True)
            continue
        if count > 1 and not beams:
            print(f"{'' if number == 0 else chr(10)}--- {number + 1}")
        print(before, end="")
        for piece in pieces:
            print(shown(piece), end="", flush=True)
        print()


def _ids(model: directory.Model, text: str) -> tuple[list[int], list[int] | None]:
    """What the decoder begins with, and what an encoder reads."""
    special = model.tokenizer.special
    if model.config.kind == "encoder-decoder":
        start = special("start") if model.tokenizer.has("start") else special("pad")
        return [start], model.tokenizer.parse(text) or [special("end")]
    return [special("end"), *model.tokenizer.encode(text)], None


def _answers(model: directory.Model, text: str, count: int, sampling: Sampling, seed: int, stops: Sequence[str]) -> Iterator[Iterator[str]]:
    ids, source = _ids(model, text)
    end = model.tokenizer.special("end")
    for number in range(count):
        tokens = stream(model.network, ids, sampling, stop={end}, seed=seed, key=number, source=source)
        yield until(text_stream(model.tokenizer, (token for token in tokens if token != end)), stops)


def _searched(model: directory.Model, text: str, sampling: Sampling, beams: int) -> Iterator[str]:
    ids, source = _ids(model, text)
    beam = Beam(beams=beams, max_tokens=sampling.max_tokens)
    (found,) = search(model.network, [ids], beam, stop={model.tokenizer.special("end")}, sources=None if source is None else [source])
    yield model.tokenizer.decode(found[0].tokens)


def _fill(model: directory.Model, text: str, as_json: bool) -> None:
    """The likeliest tokens of each mask, a line each."""
    tokenizer = model.tokenizer
    special = {name: tokenizer.special(name) for name in ("cls", "sep", "mask")}
    if tokenizer.token(special["mask"]) not in text:
        raise HeadwaterError("an encoder fills masks, and the prompt has none", where="--prompt",
                             mend=f'put one in: --prompt "To be, or not to {tokenizer.token(special["mask"])}"')  # fmt: skip
    found = fill(model.network, [special["cls"], *tokenizer.parse(text), special["sep"]], special["mask"], CANDIDATES)
    for number, each in enumerate(found, 1):
        if as_json:
            rows = [{"token": tokenizer.token(one.token), "id": one.token, "probability": round(one.probability, 6)} for one in each]
            print(json.dumps({"mask": number, "tokens": rows}, ensure_ascii=False), flush=True)
        else:
            print(f"{number}  " + "   ".join(f"{shown(tokenizer.token(one.token)).strip()} {one.probability:.1%}" for one in each))
