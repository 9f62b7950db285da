"""Who is told, beyond the terminal, when something happens to a run? A command, a web address, a mailbox.

In: events of a run (`incident`, `rollback`, `reload`, `lost`, `done`) and `watch.alerts` of the config. Out: each alert that wants an event
is sent it as JSON (`event, stage, run, text, step, reason, …`), by a thread of its own: no alert delays a step or ends a run. One that
fails is said once. At the run's end whatever is still to be sent gets `CLOSING` seconds.
"""

from __future__ import annotations

import json
import os
import queue
import smtplib
import subprocess
import threading
import time
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.training.watch_config import AlertConfig, Command, Mail, Webhook

CLOSING = 10.0
WAITING = 100  # events that wait at most; of more, the newest are dropped

Event = dict[str, Any]


class Alerts:
    """Context manager; one thread for all alerts of a run, none where there are none."""

    def __init__(self, configs: Sequence[AlertConfig], report: Reporter, stage: str, run: str) -> None:
        self.configs, self.report, self.stage, self.run = configs, report, stage, run
        self.failed: set[int] = set()
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, daemon=True, name="alerts") if configs else None

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Have it sent to whoever wants to hear of it; returns at once."""
        if self._thread is None or not any(event in config.on for config in self.configs):
            return
        if self._thread.ident is None:
            self._thread.start()
        if self._waiting.qsize() >= WAITING:
            self.report.say(f"{self.stage}: an alert is not sent, {WAITING} wait already: {text}", stage=self.stage)
            return
        self._waiting.put({"event": event, "stage": self.stage, "run": self.run, "text": text, "time": time.time(), **facts})

    def told(self, event: str, facts: dict[str, Any]) -> None:
        """The same of an incident's report."""
        chosen = {key: facts[key] for key in ("number", "step", "reason", "done", "masked", "tensor") if key in facts}
        documents = [each["id"] for each in facts.get("documents", [])]
        text = f"{self.stage} ({self.run}), step {facts['step']:,}: {facts['reason']}. {facts['done']}"
        self.tell(event, text, **chosen, documents=documents)

    def __enter__(self) -> Alerts:
        return self

    def __exit__(self, *_: object) -> None:
        """Give what waits a little time."""
        if self._thread is not None and self._thread.ident is not None:
            self._waiting.put(None)
            self._thread.join(CLOSING)

    def _send_all(self) -> None:
        while (event := self._waiting.get()) is not None:
            for number, config in enumerate(self.configs):
                if event["event"] in config.on:
                    self._send(number, config, event)

    def _send(self, number: int, config: AlertConfig, event: Event) -> None:
        try:
            send(config, event)
        except Exception as error:  # whatever it is: a run does not end because nobody could be told
            if number not in self.failed:
                self.failed.add(number)
                said = " ".join(str(error).split()) or type(error).__name__
                self.report.say(f"{self.stage}: the alert by {config.kind} fails ({said}); training goes on", stage=self.stage)


def send(config: AlertConfig, event: Event) -> None:
    """Send one event, now. Raises what goes wrong."""
    match config:
        case Command():
            data = json.dumps(event, ensure_ascii=False).encode()
            subprocess.run(config.run, input=data, check=True, timeout=config.timeout, capture_output=True)  # noqa: S603 (the user's own)
        case Webhook():
            url = config.url or _secret(config.url_from or "")
            if not url.startswith(("http://", "https://")):
                raise HeadwaterError("is no address of the web", where=config.url_from)
            data = json.dumps(event, ensure_ascii=False).encode()
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 (see above)
            urllib.request.urlopen(request, timeout=config.timeout).close()  # noqa: S310
        case Mail():
            _mail(config, event)


def _secret(variable: str) -> str:
    if variable not in os.environ:
        raise HeadwaterError("is not set", where=variable, mend="set this environment variable")
    return os.environ[variable]


def _mail(config: Mail, event: Event) -> None:
    message = EmailMessage()
    message["From"], message["To"] = config.sender, ", ".join(config.to)
    message["Subject"] = f"[headwater] {event['event']}: {event['stage']} of {event['run']}"
    message.set_content(event["text"] + "\n\n" + json.dumps(event, indent=1, ensure_ascii=False) + "\n")
    with smtplib.SMTP(config.host, config.port, timeout=config.timeout) as server:
        if config.tls:
            server.starttls()
        if config.user is not None:
            server.login(config.user, _secret(config.password_from))
        server.send_message(message)
