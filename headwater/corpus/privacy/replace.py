"""What stands in place of a personal span? In: its kind and text, the config. Out: a tag, a hash or a fake.

A hash or fake depends on the matched text (in its plain form: digits of a number, lower case of an address) and the key
alone, so that the same person is the same stand-in in every document, and nobody without the key can tell whose it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from headwater.core.storage import read_bytes
from headwater.corpus.apply import Replace
from headwater.corpus.privacy.config import KINDS, Privacy
from headwater.corpus.privacy.fakes import FAKES

NO_KEY = b"headwater"


def replacer(config: Privacy) -> Replace:
    """Stand-ins for the kinds of personal data; None for any other kind. Raises HeadwaterError for a key file that cannot be read."""
    stand_in = _stand_ins(config)
    return lambda kind, matched, document: stand_in(kind, matched) if kind in KINDS else None


def _stand_ins(config: Privacy) -> Callable[[str, str], str]:
    key = NO_KEY if config.key_file is None else hashlib.blake2b(read_bytes(config.key_file), digest_size=32).digest()
    if config.replace == "tag":
        return lambda kind, matched: f"<{kind.upper()}>"
    if config.replace == "hash":
        return lambda kind, matched: f"<{kind.upper()}:{digest(key, kind, matched)[:8].hex()}>"
    if config.replace == "fake":
        return lambda kind, matched: FAKES[kind](matched, digest(key, kind, matched))
    return lambda kind, matched: matched


def digest(key: bytes, kind: str, matched: str) -> bytes:
    """64 bytes that the key and the plain form of the matched text determine."""
    return hashlib.blake2b(f"{kind}\x1f{plain(kind, matched)}".encode(), key=key, digest_size=64).digest()


def plain(kind: str, matched: str) -> str:
    """What is the same of two ways to write the same thing."""
    if kind == "phone":
        if re.match(r"\+1|1[ .-]", matched):
            return re.sub(r"\D", "", matched)[1:11]
        return re.sub(r"^86(?=1\d{10}$)", "", re.sub(r"\D", "", matched).removeprefix("00"))
    if kind in ("card", "iban", "chinese_id", "passport"):
        return re.sub(r"[ -]", "", matched).upper()
    return matched if kind == "secret" else matched.lower()
