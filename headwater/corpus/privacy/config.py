"""What may a recipe say about personal data? `privacy: {}` marks all kinds but names, and replaces them by typed tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from headwater.core.config import Config, Since

KINDS = ("secret", "email", "iban", "chinese_id", "card", "passport", "ip", "phone", "name")
"""The kinds of spans, in the order in which they win where two of them overlap in detection."""


class Privacy(Config):
    """Which kinds are looked for, and what stands in their place in the corpus."""

    email: bool = True
    phone: bool = True
    """International (+…), North American, Chinese mobile and landline; other national forms after a word such as `tel`."""
    ip: bool = True
    """IPv4 and IPv6 that can be reached from everywhere."""
    chinese_id: bool = True
    """身份证: 18 digits with region, date and check digit; 15 digits with region and date after a word for it."""
    passport: bool = True
    """Numbers after the word passport or 护照."""
    card: bool = True
    """Payment cards: issuer's range, length and Luhn's check digit."""
    iban: bool = True
    """Country's length and check digits (mod 97)."""
    secret: bool = True
    """API keys, tokens, private keys, passwords in code and URLs."""
    name: bool = False
    """People after a title (`Mr. X`, 王先生) or a label (姓名：); novels and news are full of them."""
    reserved: bool = False
    """Mark also what can belong to nobody: example.com, private and documentation IPs, numbers 555-01xx, keys with EXAMPLE in them."""
    replace: Annotated[Literal["tag", "hash", "fake", "keep"], Since("corpus")] = "tag"
    """`<EMAIL>`; `<EMAIL:9f86d081884c7d65>` (the same for the same address); another of the same form that is nobody's; as it is."""
    key_file: Annotated[str | None, Since("corpus")] = None
    """A file with a secret of yours: without it, whoever guesses an address can check the guess against its hash or fake."""
    most: Annotated[int | None, Since("corpus")] = Field(default=None, ge=0)
    """A document with more marked spans goes as a whole (lists of addresses, dumps)."""

    @model_validator(mode="after")
    def _hashes_need_a_key(self) -> Privacy:
        if self.replace == "hash" and self.key_file is None:
            raise ValueError("'replace: hash' needs a 'key_file:' (make one: head -c 32 /dev/urandom > privacy.key)")
        return self

    def contents(self) -> dict[str, str]:
        """The key's content hash: another key asks for a new corpus."""
        from headwater.core.storage import hash_file

        return {} if self.key_file is None else {"privacy/key": hash_file(self.key_file)}
