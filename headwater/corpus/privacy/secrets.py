"""Is this a key, token or password? In: a text and a place in it. Out: spans.

Keys of known services have a prefix that their makers document for scanners; other secrets are told by where they stand:
an assignment to a name such as `API_KEY` or `password`, with a value that is random enough (Shannon entropy of its
characters). What says itself that it is a dummy (`EXAMPLE`, `your_key_here`, `xxxx`, `${VARIABLE}`) is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from headwater.corpus.document import Span

EDGE = r"(?<![A-Za-z0-9_])"
KNOWN = re.compile(
    EDGE + r"(?:(?:AKIA|ASIA)[A-Z0-9]{16}|LTAI[A-Za-z0-9]{12,20}|AKID[A-Za-z0-9]{32}"  # Amazon, Alibaba, Tencent
    r"|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}"  # GitHub, GitLab
    r"|xox[abeprs]-[A-Za-z0-9-]{10,250}|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{34}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,250}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,99}|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|SK[0-9a-f]{32}|\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{10,1000})(?![A-Za-z0-9_])"
    r"|" + EDGE + r"sk-(?:proj-|ant-[a-z0-9]+-|svcacct-|or-v1-)?(?=[A-Za-z_-]*\d)(?=[A-Za-z0-9_-]*[A-Z]|[0-9a-f]{32})"
    r"[A-Za-z0-9_-]{20,250}", re.ASCII
)  # fmt: skip
NUMBER_BEFORE = re.compile(r"\d{8,10}:$", re.ASCII)
BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S]){32,20000}?(?:-----END [A-Z0-9 ]+-----|(?=\Z))"
)
NAME = re.compile(r"([A-Za-z_][\w.-]{0,60})[\"'`\])]{0,2} {0,3}(?:: ?[A-Za-z]+ ?)?$", re.ASCII)
TELLING = re.compile(
    r"secret|token|passw(?:or)?d|passwd|pwd|passphrase|api[_-]?key|apikey|access[_-]?key|auth[_-]?key|private[_-]?key|encryption[_-]?key|"
    r"credential|bearer|signing[_-]?key|account[_-]?key", re.IGNORECASE
)  # fmt: skip
PASSWORD = re.compile(r"passw|pwd|passphrase", re.IGNORECASE)
VALUE = re.compile(r"=?>? {0,3}(?:Bearer )?([\"'`]?)([A-Za-z0-9+/_=.~!@#$%^&*?-]{8,300})(\1)")
BARE_VALUE = re.compile(r"[A-Za-z0-9+/_-]{8,300}={0,2}$")
DUMMY = re.compile(
    r"example|your|change.?me|placeholder|dummy|sample|insert|redacted|foobar|(?:^|[_-])test|x{4}|\*{3}|\.{3}|0123456789|1234567|abcdef|\$\{|\{\{|<|>|%\(|^\$",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[a-z]+(?:[_.-]?[a-z]+)*[_.-]?\d{0,3}|[A-Z]+(?:_[A-Z]+)*_?\d{0,3}|(?:[A-Z]?[a-z]+){1,6}\d{0,2}|[\w.]+\.[a-z]{1,6}")
"""Words of people, not of a random generator: `session_token_2`, `getToken`, `config.json`."""
ENDS = ("", "\n", "\r", " ", "\t", '"', "'", "&", ";", ",")
"""What can follow a value without quotes; after a short one only the line's end."""
LINE_ENDS = ("", "\n", "\r")
ENTROPY = 3.2
"""Bits a character: English words have 2.5 to 3.2 at this length, random hexadecimal digits 3.4 to 3.8, random base64 4 to 5."""


def known(text: str, start: int, end: int, reserved: bool) -> Iterator[Span]:
    """The key of a known service that begins with a word of the text, with a part of it after a hyphen, or a few signs before it."""
    places = [start, *(place + 1 for place in range(start, end) if text[place] == "-")]
    if text[max(0, start - 3) : start] == "SG.":
        places.insert(0, start - 3)
    elif text[start - 1 : start] == ":" and (number := NUMBER_BEFORE.search(text, max(0, start - 12), start)):
        places.insert(0, number.start())
    found = next((found for place in places if (found := KNOWN.match(text, place))), None)
    if found is not None and (reserved or "EXAMPLE" not in found.group()) and len(set(found.group())) > 9:
        yield found.start(), found.end(), "secret"


def blocks(text: str, start: int, reserved: bool) -> Iterator[Span]:
    """-----BEGIN … PRIVATE KEY----- to its end."""
    found = BLOCK.match(text, start)
    if found is not None and (reserved or "EXAMPLE" not in found.group()):
        yield found.start(), found.end(), "secret"


def assigned(text: str, sign: int, reserved: bool) -> Iterator[Span]:
    """The value of `API_KEY = "…"`, `"password": "…"`, `TOKEN=…`; `sign` is the place of its `=` or `:`."""
    if not TELLING.search(text, max(0, sign - 72), sign):
        return
    name = NAME.search(text, max(0, sign - 72), sign)
    if name is None or not TELLING.search(name.group(1)):
        return
    value = VALUE.match(text, sign + 1)
    if value is None:
        return
    quoted, inner = bool(value.group(1)), value.group(2)
    is_password = PASSWORD.search(name.group(1)) is not None
    if not quoted and not (BARE_VALUE.match(inner) and text[value.end() : value.end() + 1] in (ENDS if len(inner) >= 16 else LINE_ENDS)):
        return
    if is_password and (quoted or len(inner) < 16):
        random = any(map(str.isdigit, inner)) and any(map(str.isalpha, inner))
    else:
        random = len(inner) >= 16 and any(map(str.isdigit, inner)) and entropy(inner) >= ENTROPY
    if random and not IDENTIFIER.fullmatch(inner) and (reserved or not DUMMY.search(inner)):
        yield value.start(2), value.end(2), "secret"


def entropy(text: str) -> float:
    """Bits a character, of the text's own distribution of characters."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
