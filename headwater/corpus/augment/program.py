"""A program of the user's that rewrites texts. In: requests, each with an `id` and a `text`. Out: the new texts, in the same order.

It gets all requests of a batch as JSON lines on its standard input, and answers with a JSON line `{"id", "text"}` for each, in
any order.
"""

from __future__ import annotations

import json
import subprocess

from headwater.core.errors import HeadwaterError


def ask(command: list[str], requests: list[dict[str, str]], timeout: float, kind: str) -> list[str]:
    """Raises HeadwaterError when the program cannot be run, fails, takes too long or leaves a request without an answer."""
    if not requests:
        return []
    where = f"corpus.augment: {kind}: {' '.join(command)}"
    lines = "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests)
    try:
        done = subprocess.run(command, input=lines.encode(), capture_output=True, timeout=timeout)  # noqa: S603 (the user's own program)
    except (FileNotFoundError, PermissionError) as error:
        raise HeadwaterError(f"cannot be run ({error.strerror})", where=where, mend="check the command's first word") from None
    except subprocess.TimeoutExpired:
        raise HeadwaterError(f"took over {timeout:g} seconds for {len(requests)} texts", where=where, mend="raise its `timeout`") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise HeadwaterError(f"ended with code {done.returncode}: {last or 'it said nothing'}", where=where, mend="run it by hand")
    answers: dict[str, str] = {}
    for number, line in enumerate(done.stdout.decode("utf-8", "replace").split("\n"), 1):
        if line.strip():
            id, text = _answer(line, number, where)
            answers[id] = text
    missing = next((request["id"] for request in requests if request["id"] not in answers), None)
    if missing is not None:
        raise HeadwaterError(f"gave no answer for '{missing}'", where=where, mend="it must answer every line")
    return [answers[request["id"]] for request in requests]


def _answer(line: str, number: int, where: str) -> tuple[str, str]:
    try:
        answer = json.loads(line)
        id, text = answer["id"], answer["text"]
    except (json.JSONDecodeError, KeyError, TypeError):
        id = text = None
    if not isinstance(id, str) or not isinstance(text, str):
        raise HeadwaterError(f'line {number} of its output is no {{"id", "text"}}', where=where, mend="write nothing else to its output")
    return id, text.encode("utf-8", "replace").decode()  # a lone surrogate of \\ud800 is no text
