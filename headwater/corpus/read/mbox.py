"""Which mails are in a mailbox? In: an mbox file as a stream. Out: one row a mail: subject and text, quoted lines kept.

A mail begins at a line `From …` after a blank one (RFC 4155). Of a mail in several parts the plain text counts, or else its HTML;
attachments are left out. The subject, the date (`created`, ISO 8601) and the thread (`in_reply_to`) are fields; addresses are not.
"""

from __future__ import annotations

import datetime
import email
import email.errors
import email.header
import email.utils
import re
from collections.abc import Iterator
from email.message import Message
from typing import BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import BadRow, Found, Input, Passed, Row
from headwater.corpus.read.html import text_of
from headwater.corpus.read.rows import BAD_ROW

LARGEST = 16 << 20
"""Bytes of one mail with its attachments; of a larger one the rest is left out."""
LINE = 1 << 16
QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
PARTS = 1000


def mails(given: Input, source: Reading) -> Iterator[Found]:
    number = 0
    for data in _split(given.file):
        number += 1
        if number == 1 and not data.startswith(b"From "):
            raise HeadwaterError("is no mailbox", where=given.where, mend="an mbox file begins with a line `From …`")
        at = f"{given.where}, mail {number}"
        try:
            mail = email.message_from_bytes(data.partition(b"\n")[2])
            text = _body(mail, at)
        except (ValueError, LookupError, RecursionError, AttributeError, TypeError, email.errors.MessageError, HeadwaterError) as error:
            what = error.what if isinstance(error, HeadwaterError) else "is a mail that cannot be read"
            yield BadRow(HeadwaterError(what, where=at, mend=BAD_ROW))
            continue
        if not text.strip():
            yield Passed("mails without text", row=True)
            continue
        subject = _word(mail, "Subject")
        fields = {
            "subject": subject,
            "created": _date(mail),
            "message_id": _word(mail, "Message-ID"),
            "in_reply_to": _word(mail, "In-Reply-To"),
        }
        yield Row(f"{subject}\n\n{text}" if subject else text, {key: value for key, value in fields.items() if value})


def _split(file: BinaryIO) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    blank = True
    while line := file.readline(LINE):
        if blank and line.startswith(b"From ") and lines:
            yield b"".join(lines)
            lines, size = [], 0
        blank = not line.strip()
        size += len(line)
        if size <= LARGEST:
            lines.append(line)
    if lines:
        yield b"".join(lines)


def _body(mail: Message, at: str) -> str:
    """The text of the first readable part; plain text before HTML."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for number, part in enumerate(mail.walk()):
        if number > PARTS:
            break
        kind = part.get_content_type()
        if kind not in texts or part.get_content_disposition() == "attachment" or part.get_filename():
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes) and payload.strip():
            texts[kind].append(decode(QUOTED_FROM.sub(rb"\1", payload), at, kind == "text/html", part.get_content_charset()))
    if texts["text/plain"]:
        return "\n\n".join(text.strip("\r\n") for text in texts["text/plain"]).replace("\r\n", "\n")
    return "\n\n".join(text_of(text) for text in texts["text/html"])


def _word(mail: Message, name: str) -> str:
    """A header in plain words."""
    raw = mail.get(name)
    if raw is None:
        return ""
    try:
        words = str(email.header.make_header(email.header.decode_header(str(raw))))
    except (ValueError, LookupError, email.errors.MessageError):
        words = str(raw)
    return " ".join(words.split())


def _date(mail: Message) -> str:
    try:
        when = email.utils.parsedate_to_datetime(_word(mail, "Date"))
        return when.astimezone(datetime.UTC).isoformat() if when.tzinfo else when.isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return ""
