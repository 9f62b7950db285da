"""Three voices: live bars on a terminal, a line now and then in a log, JSON for machines."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest

from headwater.core import progress


def strict(line: str) -> Any:
    """JSON as the standard has it: no NaN."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(line, parse_constant=refuse)


def speak_on_a_terminal(code: str) -> str:
    """What a child whose stderr is a terminal writes there, colours and cursor moves taken off."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", f"from headwater.core.progress import *; import time; r = reporter()\n{code}\nr.close()"],
        stderr=theirs, stdout=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the child has closed its end
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    out, _ = child.communicate()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    assert child.returncode == 0, text
    assert out == b"", "stdout belongs to results"
    return text


def test_a_terminal_sees_the_bar_and_the_lines() -> None:
    text = speak_on_a_terminal(
        "with r.bar('reading', 40, 'files') as bar:\n for i in range(40): bar.advance(loss=0.5); time.sleep(0.01)\nr.say('done with it')"
    )
    assert "reading" in text
    assert "/40 files" in text
    assert "loss 0.5" in text
    assert "done with it" in text


@pytest.mark.parametrize("line", ["recipe.yaml:100: unknown key", "x [red]y[/red] [/z]", "path/[2020].txt", r"C:\[a]"])
def test_a_terminal_gets_the_very_words(line: str) -> None:
    """rich would turn :100: into a picture and [red] into a colour."""
    assert line in speak_on_a_terminal(f"r.say({line!r})")


def test_a_bar_may_be_called_anything() -> None:
    text = speak_on_a_terminal(
        "with r.bar('book [/a] [2020]', 2, 'files') as bar:\n bar.advance(where='[/b]'); time.sleep(0.2); bar.advance()"
    )
    assert "book [/a] [2020]" in text


def test_json_is_all_that_stands_on_stdout(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "JSON_SECONDS", 0.0)
    report = progress.reporter(as_json=True)
    report.say("corpus 源头 done\nwith a second line", stage="corpus", seconds=1.5)
    with report.bar("reading", 3, "files") as bar:
        for _ in range(3):
            bar.advance(loss=float("nan"))
    report.close()
    out, err = capsys.readouterr()
    events = [strict(line) for line in out.splitlines()]
    assert err == ""
    assert events[0] == {"event": "message", "text": "corpus 源头 done\nwith a second line", "stage": "corpus", "seconds": 1.5}
    assert [event["done"] for event in events[1:]] == [1, 2, 3, 3]
    assert {event["event"] for event in events[1:]} == {"progress"}


def test_a_log_gets_a_line_only_after_a_while(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    report = progress.reporter()
    assert type(report) is progress.Reporter
    with report.bar("fast", 5) as bar:
        bar.advance(5)
    assert capsys.readouterr() == ("", "")
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with report.bar("slow", 100, "files") as bar:
        for _ in range(50):
            now[0] += 1.0
            bar.advance(1, loss=2.0)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 50 / progress.QUIET_SECONDS + 1, "one every ten seconds and one at the end"
    assert "slow: 10/100 files" in lines[0]
    assert "loss 2" in lines[0]
    assert "90 s left" in lines[0]
    assert "50/100" in lines[-1]


def test_a_bar_that_breaks_does_not_say_it_is_done(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    report = progress.reporter()

    def breaks() -> None:
        with report.bar("work", 2) as bar:
            bar.advance()
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    assert len(capsys.readouterr().err.splitlines()) == 1
