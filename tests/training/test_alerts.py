"""Alerts reach a program, a web server and a mail server; none that fails, hangs or floods delays or ends a run."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.training import alerts
from headwater.training.alerts import Alerts
from headwater.training.watch_config import Command, Mail, WatchConfig, Webhook
from tests.faults.world import Counting, changed, run

WRITE = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


def command(file: Path, **more: Any) -> Command:
    return Command.model_validate({"kind": "command", "run": [sys.executable, "-c", WRITE, str(file)], **more})


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@contextmanager
def web(answer: int = 200, pause: float = 0.0) -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            time.sleep(pause)
            got.append((self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()


@contextmanager
def post_office() -> Iterator[tuple[int, list[str]]]:
    """As much of an SMTP server as takes a mail in (RFC 5321, section 3.3)."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (text := self.rfile.readline()) != b".\r\n":
                        lines.append(text.decode())
                    mails.append("".join(lines))
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 yes\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def test_a_command_a_web_server_and_a_mailbox_are_told(tmp_path: Path) -> None:
    with web() as (url, got), post_office() as (port, mails):
        hook = Webhook(kind="webhook", url=url, on=("lost",))
        mail = Mail(kind="mail", to=("a@example.org", "b@example.org"), host="127.0.0.1", port=port)
        with Alerts([command(tmp_path / "told"), hook, mail], Reporter(), "pretrain", "demo") as told:
            told.tell("rollback", "went back", step=7)
            told.tell("lost", "all is lost", step=9, reason="源头")
            told.tell("incident", "not asked for")
    assert [(row["event"], row["step"]) for row in rows(tmp_path / "told")] == [("rollback", 7), ("lost", 9)]
    [(kind, event)] = got
    assert kind == "application/json"
    assert {key: event[key] for key in ("event", "stage", "run", "text", "reason")} == {
        "event": "lost", "stage": "pretrain", "run": "demo", "text": "all is lost", "reason": "源头",
    }  # fmt: skip
    assert len(mails) == 2
    assert "To: a@example.org, b@example.org" in mails[1]
    assert "Subject: [headwater] lost: pretrain of demo" in mails[1]


def test_addresses_may_be_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web() as (url, got):
        monkeypatch.setenv("HOOK", url)
        alerts.send(Webhook(kind="webhook", url_from="HOOK"), {"event": "done"})
    assert len(got) == 1


@pytest.mark.fault
def test_a_failure_is_said_once_and_the_others_are_told(tmp_path: Path, capsys: Any) -> None:
    failing = Command(kind="command", run=("/no/such/program",))
    with (
        web(answer=500) as (url, _),
        Alerts([failing, Webhook(kind="webhook", url=url), command(tmp_path / "told")], Reporter(), "sft", "demo") as told,
    ):
        for step in range(4):
            told.tell("rollback", "went back", step=step)
    said = capsys.readouterr().err
    assert said.count("the alert by command fails") == 1
    assert said.count("the alert by webhook fails (HTTP Error 500") == 1
    assert len(rows(tmp_path / "told")) == 4


@pytest.mark.fault
def test_who_hangs_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A server that takes its time and a flood of events: telling returns at once, and the end waits no longer than it says."""
    monkeypatch.setattr(alerts, "CLOSING", 0.3)
    with web(pause=1.0) as (url, _):
        started = time.monotonic()
        with Alerts([Webhook(kind="webhook", url=url)], Reporter(), "sft", "demo") as told:
            for step in range(150):
                told.tell("rollback", "went back", step=step)
            assert time.monotonic() - started < 0.5
        assert time.monotonic() - started < 1.0
    assert "an alert is not sent" in capsys.readouterr().err


def test_no_thread_where_nobody_listens() -> None:
    before = threading.active_count()
    with Alerts([], Reporter(), "sft", "demo") as told:
        told.tell("lost", "all is lost")
        assert threading.active_count() == before


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "webhook"}, {"kind": "webhook", "url": "file:///etc/passwd"}, {"kind": "webhook", "url": "http://a", "url_from": "B"},
     {"kind": "command", "run": []}, {"kind": "mail"}, {"kind": "pigeon"}, {"kind": "command", "run": ["a"], "on": ["joy"]}],
)  # fmt: skip
def test_alerts_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WatchConfig.model_validate({"alerts": [wrong]})


@pytest.mark.fault
def test_a_run_tells_what_happens_to_it(tmp_path: Path) -> None:
    every = command(tmp_path / "told", on=["incident", "rollback", "reload", "lost", "done"]).model_dump(mode="json")
    run(tmp_path / "a", Counting(blank={12, 13, 14}), changed(guard={"patience": 3}, watch={"alerts": [every]}))
    told = rows(tmp_path / "told")
    assert [(row["event"], row.get("step")) for row in told] == [("incident", 13), ("rollback", 13), ("done", 30)]
    assert told[0]["documents"][0] == "document-12-0"
    assert told[1]["text"].startswith(f"test ({tmp_path / 'a'}), step 13: the loss is nan. The run went back from step 15")
    (tmp_path / "told").unlink()
    with pytest.raises(HeadwaterError):
        run(tmp_path / "b", Counting(blank=range(99)), changed(guard={"patience": 3, "retries": 0}, watch={"alerts": [every]}))
    assert [row["event"] for row in rows(tmp_path / "told")] == ["incident", "lost"]
