"""`headwater chat` and `headwater generate`: text from a model, as it comes."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cpu_has_bf16
from headwater.corpus.read.decode import mend_surrogates
from headwater.generation.generate import stream
from headwater.generation.sampling import Sampling
from headwater.generation.text import text_stream
from headwater.model import directory
from headwater.tokens.chat import Message, encode_dialogue

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
HELP = "Write and press Enter. /new starts a new dialogue, /quit (or Ctrl-D) ends, Ctrl-C stops an answer."


def multiplying(precision: Literal["fp32", "bf16"]) -> contextlib.AbstractContextManager[object]:
    """Products of matrices in this precision. Raises HeadwaterError for bf16 where there are no units for it."""
    if precision == "fp32":
        return contextlib.nullcontext()
    if not cpu_has_bf16():
        raise HeadwaterError("this processor has no bf16 units", where="--precision", mend="leave it out")
    return torch.autocast("cpu", torch.bfloat16)


def chat(path: Path, prompt: str | None, system: str | None, sampling: Sampling, seed: int) -> None:
    """Answer one prompt, or talk until the input ends."""
    model = directory.load(path)
    if model.template is None:
        raise HeadwaterError(
            "has no chat template: it was not fine-tuned", where=path, mend="use `headwater generate`, or name the sft artifact"
        )
    opening = [Message(role="system", content=mend_surrogates(system))] if system else []
    if prompt is not None:
        for text in answer(model, [*opening, Message(role="user", content=mend_surrogates(prompt))], sampling, seed):
            print(shown(text), end="", flush=True)
        print()
        return
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    if on_terminal:
        print(HELP, file=sys.stderr)
    messages = list(opening)
    turn = 0
    while (said := _read_line(on_terminal)) is not None:
        if said == "/quit":
            return
        if said == "/new":
            messages = list(opening)
        elif said:
            messages.append(Message(role="user", content=said))
            messages.append(Message(role="assistant", content=_print_answer(model, messages, sampling, seed + turn)))
            turn += 1


def answer(model: directory.Model, messages: list[Message], sampling: Sampling, seed: int) -> Iterator[str]:
    """Yield the model's answer piece by piece; the oldest turns are forgotten when the dialogue outgrows the context."""
    assert model.template is not None, "a model without a chat template cannot answer"
    tokenizer = model.tokenizer
    while True:
        ids, _ = encode_dialogue(tokenizer, model.template, messages, generation_prompt=True)
        if len(ids) < model.config.context or len(messages) == 1:
            break
        oldest = 1 if messages[0].role == "system" and len(messages) > 2 else 0
        messages = messages[:oldest] + messages[oldest + 1 :]
    stop = {tokenizer.special("turn"), tokenizer.special("end")}
    tokens = (token for token in stream(model.network, ids, sampling, stop=stop, seed=seed, key="chat") if token not in stop)
    yield from text_stream(tokenizer, tokens)


def _print_answer(model: directory.Model, messages: list[Message], sampling: Sampling, seed: int) -> str:
    said = ""
    try:
        for text in answer(model, messages, sampling, seed):
            said += text
            print(shown(text), end="", flush=True)
    except KeyboardInterrupt:
        print(" …", end="")
    print()
    return said


def _read_line(on_terminal: bool) -> str | None:
    """What the user says, None when there is no more."""
    try:
        return mend_surrogates(input("> " if on_terminal else "").strip())
    except (EOFError, RuntimeError):  # RuntimeError: standard input is closed
        return None
    except UnicodeDecodeError:
        raise HeadwaterError("is not UTF-8 text", where="standard input", mend="convert it with `iconv -t UTF-8`") from None


def _read_all() -> str:
    """The whole standard input as text."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HeadwaterError("is not UTF-8 text", where="standard input", mend="convert it with `iconv -t UTF-8`") from None


def shown(piece: str) -> str:
    """Text without the control characters that would move a terminal's cursor or change its colours."""
    return CONTROL.sub("", piece)


def prompt_text(prompt: str) -> str:
    """A prompt of the command line; - is standard input."""
    return _read_all() if prompt == "-" else mend_surrogates(prompt)
