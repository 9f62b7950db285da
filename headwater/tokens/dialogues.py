"""Dialogues from files: one typed reader for every shape that supervision comes in.

    .jsonl .json    rows with `messages: [{role, content}]`, or with a prompt and an answer
    .yml .yaml      `conversations:`, a list of lists of turns, user and assistant in turn
    .tsv .txt       lines of prompt, tab, answer
    .csv            a prompt and an answer column

In: raw files (name, bytes). Out: Dialogue(id, messages), each ending with the assistant's word.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.decode import decode, mend_surrogates
from headwater.corpus.read.rows import line_of, parse_json, parse_yaml
from headwater.corpus.read.source import RawFile
from headwater.tokens.chat import Message

PROMPT_FIELDS = ("prompt", "instruction", "question", "input")
CONTEXT_FIELD = "input"  # beside an instruction it is what the instruction is about (Taori et al. 2023)
BAD_ROW = "mend the row, or set `on_bad_row: skip`"
ANSWER_FIELDS = ("answer", "response", "completion", "output", "chosen")


@dataclass(frozen=True)
class Dialogue:
    id: str
    messages: tuple[Message, ...]

    @property
    def prompt(self) -> str:
        """What the user says first."""
        return next((message.content for message in self.messages if message.role == "user"), "")

    def row(self) -> dict[str, Any]:
        return {"id": self.id, "messages": [message.model_dump() for message in self.messages]}


def read_dialogues(
    files: Iterable[RawFile], bad_rows: Counter[str] | None = None, unanswered: Counter[str] | None = None
) -> Iterator[Dialogue]:
    """All dialogues in order. A row that is no dialogue raises HeadwaterError naming file and row; with `bad_rows` it is
    passed over and counted there, by file. One in which the assistant says nothing is passed over, and counted in `unanswered`.
    """
    for file in files:
        suffix = PurePosixPath(file.name).suffix.lower()
        if suffix not in READERS:
            raise HeadwaterError("is no file of dialogues", where=file.place, mend=f"these are read: {', '.join(sorted(READERS))}")
        for number, where, read in READERS[suffix](file.data, file.place):
            try:
                messages = _until_answer(read(where))
            except HeadwaterError:
                if bad_rows is None:
                    raise
                bad_rows[file.place] += 1
                continue
            if messages:
                yield Dialogue(f"{file.name}#{number}", messages)
            elif unanswered is not None:
                unanswered[file.place] += 1


def load_rows(path: Any) -> list[Dialogue]:
    """Dialogues that a stage wrote with `Dialogue.row`."""
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Dialogue(row["id"], tuple(Message(**message) for message in row["messages"])) for row in rows]


Messages = tuple[Message, ...]
# Number of a row, its place in words, and what makes messages of it or says what is wrong there.
Rows = Iterator[tuple[int, str, Callable[[str], Messages]]]


def _jsonl(data: bytes, where: str) -> Rows:
    for number, line in enumerate(decode(data, where).split("\n"), start=1):
        if line.strip():
            yield number, f"{where}:{number}", partial(_json_line, line)


def _json(data: bytes, where: str) -> Rows:
    rows = parse_json(data, where)
    if not isinstance(rows, list):
        raise HeadwaterError("is not a list of dialogues", where=where, mend="wrap it in [ ]")
    yield from ((number, f"{where}, row {number}", partial(_object, row)) for number, row in enumerate(rows, start=1))


def _yaml(data: bytes, where: str) -> Rows:
    value = parse_yaml(data, where)
    conversations = value.get("conversations") if isinstance(value, dict) else None
    if not isinstance(conversations, list):
        raise HeadwaterError("has no list `conversations:`", where=where, mend="each of its entries is a list of turns")
    for number, turns in enumerate(conversations, start=1):
        yield number, f"{where}, conversation {number}", partial(_turns, turns)


def _tabbed(data: bytes, where: str) -> Rows:
    for number, line in enumerate(decode(data, where).split("\n"), start=1):
        if line.strip():
            yield number, f"{where}:{number}", partial(_pair, line)


def _csv(data: bytes, where: str) -> Rows:
    csv.field_size_limit(1 << 30)
    reader = csv.DictReader(io.StringIO(decode(data, where), newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, f"{where}:{reader.line_num}", partial(_object, row)
    except csv.Error as error:
        raise HeadwaterError(f"is not CSV ({error})", where=f"{where}:{reader.line_num}", mend="mend it, or convert it to JSONL") from None


READERS = {".jsonl": _jsonl, ".json": _json, ".yml": _yaml, ".yaml": _yaml, ".tsv": _tabbed, ".txt": _tabbed, ".csv": _csv}


def _json_line(line: str, where: str) -> Messages:
    try:
        return _object(json.loads(line), where)
    except (ValueError, RecursionError) as error:
        raise HeadwaterError(f"is not valid JSON ({error})", where=where, mend=BAD_ROW) from None


def _pair(line: str, where: str) -> Messages:
    parts = line.split("\t")
    if len(parts) != 2:
        raise HeadwaterError("is not a prompt, a tab and an answer", where=where, mend=BAD_ROW)
    return _alternating(parts)


def _turns(turns: Any, where: str) -> Messages:
    lines = [line_of(turn) for turn in turns] if isinstance(turns, list) else [None]
    if None in lines:
        raise HeadwaterError("is not a list of turns", where=where, mend=BAD_ROW)
    return _alternating([line for line in lines if line is not None])


def _object(row: Any, where: str) -> Messages:
    """A row with `messages`, or with one of the usual names of a prompt and an answer."""
    if not isinstance(row, dict):
        raise HeadwaterError("is not an object", where=where, mend="give messages, or a prompt and an answer")
    if "messages" in row:
        try:
            messages = [Message(**message) for message in row["messages"]]
            return tuple(message.model_copy(update={"content": mend_surrogates(message.content)}) for message in messages)
        except (ValidationError, TypeError):
            raise HeadwaterError("has messages that are no {role, content}", where=where, mend="roles: system, user, assistant") from None
    prompt = next((row[field] for field in PROMPT_FIELDS if field in row), None)
    answer = next((row[field] for field in ANSWER_FIELDS if field in row), None)
    if not isinstance(prompt, str) or not isinstance(answer, str):
        mend = f"name them as one of {', '.join(PROMPT_FIELDS)} and one of {', '.join(ANSWER_FIELDS)}"
        raise HeadwaterError("has neither `messages` nor a prompt and an answer", where=where, mend=mend)
    context = row.get(CONTEXT_FIELD)
    if "instruction" in row and isinstance(context, str) and context.strip():
        prompt = f"{prompt}\n\n{context}"
    return _alternating([prompt, answer])


def _alternating(turns: list[str]) -> Messages:
    return tuple(
        Message(role="assistant" if place % 2 else "user", content=mend_surrogates(turn.strip())) for place, turn in enumerate(turns)
    )


def _until_answer(messages: Messages) -> Messages:
    """Up to the last thing that the assistant says; empty when it says nothing."""
    last = max((place for place, message in enumerate(messages) if message.role == "assistant" and message.content), default=-1)
    return messages[: last + 1]
