"""A program of the user's that embeds texts. In: requests `(place, text)`, one after another. Out: answers `(place, float64 [width])`.

    its input    {"id": "17", "text": "…"}         a JSON line for each document; the id is its place in the corpus
    its output   {"id": "17", "vector": [0.1, …]}  a JSON line for each, in any order, all vectors of one length

It is started once for a part of the corpus, so that a model is loaded once for some 32 MB of text, and both sides flow: what it
has not read yet is not held here, nor what it has answered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.corpus.duplicates.config import Program


def answers(program: Program, requests: Iterable[tuple[int, str]], where: str) -> Iterator[tuple[int, np.ndarray]]:
    """Raises HeadwaterError when the program cannot be run, fails, takes too long, or says anything but such lines."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(program.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,  # noqa: S603 (the user's own)
                                       start_new_session=True)  # fmt: skip
        except (FileNotFoundError, PermissionError) as error:
            raise HeadwaterError(f"cannot be run ({error.strerror})", where=where, mend="check the command's first word") from None
        assert process.stdin is not None and process.stdout is not None
        feeder = _Feeder(process.stdin, requests)
        late = threading.Event()
        clock = threading.Timer(program.timeout, _end, (process, late))
        feeder.start()
        clock.start()
        try:
            for number, line in enumerate(process.stdout, 1):
                if line.strip():
                    yield _answer(line, number, where)
            code = process.wait()
            if late.is_set():
                raise HeadwaterError(f"took over {program.timeout:g} seconds for a part of the corpus", where=where,
                                     mend="raise its `timeout` or lower corpus.part_bytes")  # fmt: skip
            if code:
                said.seek(0)
                last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise HeadwaterError(f"ended with code {code}: {last or 'it said nothing'}", where=where, mend="run it by hand")
        finally:
            clock.cancel()
            if process.poll() is None:
                _end(process)
            process.wait()
            feeder.join()
            process.stdout.close()
        if feeder.trouble is not None:
            raise feeder.trouble


class _Feeder(threading.Thread):
    """Writes the requests while the answers are read; a program that waits for the one would else wait for the other for ever."""

    def __init__(self, file: IO[bytes], requests: Iterable[tuple[int, str]]) -> None:
        super().__init__(daemon=True)
        self.file, self.requests = file, requests
        self.trouble: Exception | None = None

    def run(self) -> None:
        try:
            with self.file:
                for place, text in self.requests:
                    self.file.write(json.dumps({"id": str(place), "text": text}, ensure_ascii=False).encode() + b"\n")
        except BrokenPipeError:
            pass  # it reads no further: its code, or the answers that are missing, say what is wrong
        except Exception as error:  # reading the corpus: raised where the answers are read
            self.trouble = error


def _end(process: subprocess.Popen[bytes], late: threading.Event | None = None) -> None:
    """The program and what it has started, which may hold the pipe open; `late` is told first."""
    if late is not None:
        late.set()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended in the meantime


def _answer(line: bytes, number: int, where: str) -> tuple[int, np.ndarray]:
    try:
        answer = json.loads(line)
        id, given = answer["id"], answer["vector"]
        vector = np.asarray(given)
        right = isinstance(id, str) and isinstance(given, list) and vector.ndim == 1 and vector.size > 0 and vector.dtype.kind in "fi"
    except (ValueError, KeyError, TypeError):  # no JSON or no UTF-8, no such keys, no object; lists of different lengths
        right = False
    if not right:
        raise HeadwaterError(f'line {number} of its output is no {{"id", "vector": [numbers]}}', where=where,
                             mend="write nothing else to its output")  # fmt: skip
    if not np.isfinite(vector).all():
        raise HeadwaterError(f"the vector for '{id}' is not finite", where=where, mend="look at what it makes of that text")
    if not (id.isascii() and id.isdecimal() and len(id) < 19):
        raise HeadwaterError(f"answered for '{id}', of which it was not asked", where=where, mend="give back the id of the request")
    return int(id), vector.astype(np.float64)
