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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.tokens.chat import Message

PROMPT_FIELDS = ("prompt", "instruction", "question", "input")
ANSWER_FIELDS = ("answer", "response", "completion", "output", "chosen")


class File(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True)
class Dialogue:
    id: str
    messages: tuple[Message, ...]

    @property
    def prompt(self) -> str:
        """What the user opens with."""
        return self.messages[0].content

    def row(self) -> dict[str, Any]:
        return {"id": self.id, "messages": [message.model_dump() for message in self.messages]}


def read_dialogues(files: Iterable[File]) -> Iterator[Dialogue]:
    """All dialogues in order. Raises HeadwaterError naming file and row for what is no dialogue."""
    for file in files:
        suffix = PurePosixPath(file.name).suffix.lower()
        if suffix not in READERS:
            raise HeadwaterError("is no file of dialogues", where=file.name, mend=f"these are read: {', '.join(sorted(READERS))}")
        for number, messages in READERS[suffix](file.name, _text(file)):
            if messages := _until_answer(messages):
                yield Dialogue(f"{file.name}#{number}", messages)


def load_rows(path: Any) -> list[Dialogue]:
    """Dialogues that a stage wrote with `Dialogue.row`."""
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Dialogue(row["id"], tuple(Message(**message) for message in row["messages"])) for row in rows]


Numbered = Iterator[tuple[int, tuple[Message, ...]]]


def _text(file: File) -> str:
    try:
        return file.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise HeadwaterError("is not UTF-8", where=file.name, mend="convert it with `iconv -t UTF-8`") from None


def _jsonl(name: str, text: str) -> Numbered:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, _row(json.loads(line), f"{name}:{number}")
            except json.JSONDecodeError as error:
                raise HeadwaterError(f"is no JSON ({error.msg})", where=f"{name}:{number}", mend="mend or drop the line") from None


def _json(name: str, text: str) -> Numbered:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise HeadwaterError(f"is no JSON ({error.msg})", where=f"{name}:{error.lineno}", mend="mend the file") from None
    if not isinstance(rows, list):
        raise HeadwaterError("is not a list of dialogues", where=name, mend="wrap it in [ ]")
    yield from ((number, _row(row, f"{name}, row {number}")) for number, row in enumerate(rows, start=1))


def _yaml(name: str, text: str) -> Numbered:
    try:
        data = yaml.load(text, yaml.CBaseLoader if hasattr(yaml, "CBaseLoader") else yaml.BaseLoader)  # noqa: S506 (strings only)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise HeadwaterError("is no valid YAML", where=f"{name}:{mark.line + 1}" if mark else name, mend="mend the file") from None
    conversations = data.get("conversations") if isinstance(data, dict) else None
    if not isinstance(conversations, list):
        raise HeadwaterError("has no list `conversations:`", where=name, mend="each of its entries is a list of turns")
    for number, turns in enumerate(conversations, start=1):
        if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
            raise HeadwaterError("is not a list of turns", where=f"{name}, conversation {number}", mend="give each turn as text")
        yield number, _alternating(turns)


def _tabbed(name: str, text: str) -> Numbered:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            parts = line.split("\t")
            if len(parts) != 2:
                raise HeadwaterError("is not a prompt, a tab and an answer", where=f"{name}:{number}", mend="mend or drop the line")
            yield number, _alternating(parts)


def _csv(name: str, text: str) -> Numbered:
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        yield number, _row(row, f"{name}:{number}")


READERS = {".jsonl": _jsonl, ".json": _json, ".yml": _yaml, ".yaml": _yaml, ".tsv": _tabbed, ".txt": _tabbed, ".csv": _csv}


def _row(row: Any, where: str) -> tuple[Message, ...]:
    """A row with `messages`, or with one of the usual names of a prompt and an answer."""
    if not isinstance(row, dict):
        raise HeadwaterError("is not an object", where=where, mend="give messages, or a prompt and an answer")
    if "messages" in row:
        try:
            return tuple(Message(**message) for message in row["messages"])
        except (ValidationError, TypeError):
            raise HeadwaterError("has messages that are no {role, content}", where=where, mend="roles: system, user, assistant") from None
    prompt = next((row[field] for field in PROMPT_FIELDS if field in row), None)
    answer = next((row[field] for field in ANSWER_FIELDS if field in row), None)
    if not isinstance(prompt, str) or not isinstance(answer, str):
        mend = f"name them as one of {', '.join(PROMPT_FIELDS)} and one of {', '.join(ANSWER_FIELDS)}"
        raise HeadwaterError("has neither `messages` nor a prompt and an answer", where=where, mend=mend)
    return _alternating([prompt, answer])


def _alternating(turns: list[str]) -> tuple[Message, ...]:
    return tuple(Message(role="assistant" if place % 2 else "user", content=turn.strip()) for place, turn in enumerate(turns))


def _until_answer(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Up to the last thing that the assistant says; empty when it says nothing."""
    last = max((place for place, message in enumerate(messages) if message.role == "assistant" and message.content), default=-1)
    return messages[: last + 1]
