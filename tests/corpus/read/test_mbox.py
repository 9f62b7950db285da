"""headwater/corpus/read/mbox.py: mails as the standard library wrote them; quoted lines stay, attachments go."""

from __future__ import annotations

import mailbox
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document

Documents = Callable[..., list[Document]]


def mailbox_of(folder: Path, *mails: EmailMessage) -> bytes:
    box = mailbox.mbox(folder / "box")
    for mail in mails:
        box.add(mail)
    box.flush()
    return (folder / "box").read_bytes()


def mail(text: str, subject: str = "Looms", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "ada@example.org"
    message["Date"] = "Fri, 21 Nov 1997 09:55:06 -0600"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def test_mails_in_their_order(documents: Documents, tmp_path: Path) -> None:
    reply = mail("I agree.\n\n> From the loom\n> came the engine.\n\nFrom here on.\n", "Re: 织机", In_Reply_To="<1@a>", Message_ID="<2@a>")
    first, second = documents("a.mbox", mailbox_of(tmp_path, mail("你好\n"), reply))
    assert (first.id, first.text, first.created) == ("s/a.mbox#1", "Looms\n\n你好", "1997-11-21T15:55:06+00:00")
    assert second.text == "Re: 织机\n\nI agree.\n\n> From the loom\n> came the engine.\n\nFrom here on."
    assert second.meta == {"subject": "Re: 织机", "in_reply_to": "<1@a>", "message_id": "<2@a>"}
    assert "example.org" not in str(first) + str(second)


def test_parts_of_a_mail(documents: Documents, tmp_path: Path) -> None:
    both = mail("plain words\n")
    both.add_alternative("<p>marked <b>words</b></p>", subtype="html")
    both.add_attachment("secret", filename="a.txt")
    both.add_attachment(b"\x89PNG", maintype="image", subtype="png")
    only = EmailMessage()
    only.set_content("<h1>Head</h1><p>marked <b>words</b></p>", subtype="html")
    none = EmailMessage()
    none.set_content(b"\x89PNG", maintype="image", subtype="png")
    bad: Counter[str] = Counter()
    found = documents("a.mbox", mailbox_of(tmp_path, both, only, none, mail("last")), bad)
    assert [d.text.split("\n") for d in found] == [["Looms", "", "plain words"], ["Head", "", "marked words"], ["Looms", "", "last"]]
    assert found[-1].id == "s/a.mbox#4"
    assert bad == {"s/a.mbox: mails without text": 1}


def test_other_charsets(documents: Documents) -> None:
    for charset, declared in (("gb18030", "gb2312"), ("big5", "big5"), ("utf-8", "no-such-charset"), ("utf-8", "us-ascii")):
        text = "話說天下大勢，分久必合，合久必分。" * 3 if charset == "big5" else "话说天下大势，分久必合，合久必分。" * 3
        head = f"From a\nSubject: x\nContent-Type: text/plain; charset={declared}\nContent-Transfer-Encoding: 8bit\n\n"
        (found,) = documents("a.mbox", head.encode() + text.encode(charset))
        assert found.text == f"x\n\n{text}"


@pytest.mark.fault
def test_what_is_no_mailbox(documents: Documents) -> None:
    with pytest.raises(HeadwaterError, match=r"folder/a\.mbox: is no mailbox"):
        documents("a.mbox", "hello")
    deep = "From a\n" + "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000)) + "\nhello"
    bad: Counter[str] = Counter()
    documents("a.mbox", deep, bad, on_bad_row="skip")
