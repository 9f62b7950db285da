"""What has the same form and is nobody's? In: a matched text and 64 random bytes. Out: a stand-in of the same length class.

A fake keeps what a reader sees of the form (grouping, country, prefix, capitals) and takes its digits from a range that is
reserved for examples where one exists (RFC 2606, 5737, 3849; 555-01xx), else from one that is never assigned (Chinese region
99, mobile prefix 12, country code 999), else it fails the check digits on purpose (cards, IBAN). The detector therefore finds
nothing in a text whose spans were replaced by fakes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "iris", "jade", "kelp", "lark", "maple", "north", "olive",
    "pearl", "quartz", "river", "stone", "tulip", "umber", "vale", "willow", "yarrow",
)  # fmt: skip
NAMES = ("Alex Doe", "Robin Roe", "Sam Smith", "Kim Jones", "Lee Brown", "Pat Green", "Chris White", "Jo Black")
CHINESE_NAMES = ("张三", "李四", "王五", "赵六", "钱七", "孙八", "周九", "吴十")
LONG_NAME = 12
AREAS = ("201", "213", "305", "312", "415", "503", "617", "718")


def email(matched: str, bits: bytes) -> str:
    """At example.com; a long name for a long one. 24 words and 7 digits: of 5,000 addresses hardly two get the same."""
    name = f"{WORDS[bits[0] % len(WORDS)]}{int.from_bytes(bits[2:6], 'big') % 10**7}"
    longer = f"{WORDS[bits[1] % len(WORDS)]}." if matched.index("@") > LONG_NAME else ""
    return f"{longer}{name}@example.{('com', 'org', 'net')[bits[6] % 3]}"


def phone(matched: str, bits: bytes) -> str:
    """North American ones are 800 in all (eight area codes, 555-0100 to 0199), so that different people can share one."""
    digits = re.sub(r"\D", "", matched)
    if re.search(r"(?:^|86[ -]?)1[3-9]\d[ -]?\d{4}[ -]?\d{4}$", matched):
        return _in_form(matched, digits[:-11] + "12" + _digits(bits, 9))
    if re.fullmatch(r"(?:\+?1[ .-]?)?\(?[2-9]\d\d\)?[ .-]?[2-9]\d\d[ .-]?\d{4}", matched):
        return _in_form(matched, digits[:-10] + AREAS[bits[0] % len(AREAS)] + "55501" + _digits(bits[1:], 2))
    if matched.startswith("+"):
        return _in_form(matched, ("999" + _digits(bits, len(digits)))[: len(digits)])
    # No landline begins with these: 0 is followed by an area code, an area code never by 00, a local number by neither 0 nor 1.
    return _in_form(matched, ("000" + _digits(bits, len(digits)))[: len(digits)])


def ip(matched: str, bits: bytes) -> str:
    """Of the networks for documentation: 768 addresses of version 4, 2^96 of version 6."""
    if ":" in matched:
        return str(ipaddress.IPv6Address(b"\x20\x01\x0d\xb8" + bits[:12]))
    return f"{('192.0.2', '198.51.100', '203.0.113')[bits[0] % 3]}.{bits[1]}"


def chinese_id(matched: str, bits: bytes) -> str:
    """Region 99, which is none; a date; the rest random."""
    signs = [sign for sign in matched if sign.isalnum()]
    born = f"19{40 + bits[0] % 60:02}{1 + bits[1] % 12:02}{1 + bits[2] % 28:02}"
    number = "99" + _digits(bits[3:], 4) + (born if len(signs) == 18 else born[2:]) + _digits(bits[7:], 4)
    return _in_form(matched, number[: len(signs)])


def card(matched: str, bits: bytes) -> str:
    """The issuer's first four digits, then random ones; the last makes Luhn's sum wrong."""
    from headwater.corpus.privacy.numbers import luhn

    digits = re.sub(r"\D", "", matched)
    fake = digits[:4] + _digits(bits, len(digits) - 4)
    return _in_form(matched, fake[:-1] + str((int(fake[-1]) + 1) % 10) if luhn(fake) else fake)


def iban(matched: str, bits: bytes) -> str:
    """The country, check digits 00 (valid ones are 02 to 98), letters and digits where they were."""
    signs = [sign for sign in matched if sign != " "]
    drawn = "".join(_like(sign, byte) for sign, byte in zip(signs[4:], bits, strict=False))
    return _in_form(matched, "".join(signs[:2]) + "00" + drawn)


def passport(matched: str, bits: bytes) -> str:
    """Letters and digits where they were, all digits but the last three 0; no passport has so low a number."""
    count = sum(sign.isdigit() for sign in matched)
    digits = iter("0" * (count - 3) + _digits(bits, 3))
    return "".join(next(digits) if sign.isdigit() else sign for sign in matched)


def secret(matched: str, bits: bytes) -> str:
    """The prefix up to its last sign within the first eight, EXAMPLE, and random letters and digits of the same length."""
    if matched.startswith("-----"):
        first, *_, last = matched.split("\n") if "\n" in matched else (matched, matched)
        return f"{first}\nEXAMPLE{bits[:24].hex()}\n{last}"
    name, colon, password = matched.partition(":")
    if colon and not matched.startswith("eyJ"):
        return f"{name}:{'EXAMPLE' + bits[: max(1, len(password) // 4)].hex()}"
    prefix = re.match(r"(?:[A-Za-z]{2,8}[_-]|github_pat_|AKIA|ASIA|AIza|eyJ|LTAI|AKID|SG\.)?", matched)
    head = (prefix.group() if prefix else "") + "EXAMPLE"
    rest = matched[len(head) :]
    material = bits * (1 + len(rest) // len(bits))
    return head + "".join(_like(sign, byte) for sign, byte in zip(rest, material, strict=False))


def name(matched: str, bits: bytes) -> str:
    """One word for one, two for more; Chinese for Chinese."""
    if not matched.isascii() and "\u4e00" <= matched[0] <= "\u9fff":
        fake = CHINESE_NAMES[bits[0] % len(CHINESE_NAMES)]
        return fake[0] if len(matched) == 1 else fake
    fake = NAMES[bits[0] % len(NAMES)]
    return fake if " " in matched else fake.split()[1]


FAKES: dict[str, Callable[[str, bytes], str]] = {
    "email": email, "phone": phone, "ip": ip, "chinese_id": chinese_id, "card": card, "iban": iban, "passport": passport,
    "secret": secret, "name": name,
}  # fmt: skip


def _digits(bits: bytes, count: int) -> str:
    return "".join(str(byte % 10) for byte in (bits * (1 + count // len(bits)))[:count])


def _like(sign: str, byte: int) -> str:
    """A digit for a digit, a letter of the same case for a letter."""
    if sign.isdigit():
        return str(byte % 10)
    if sign.isalpha():
        return chr((65 if sign.isupper() else 97) + byte % 26)
    return sign


def _in_form(matched: str, signs: str) -> str:
    """The signs in the places of the matched text's letters and digits, its separators kept."""
    left = iter(signs)
    return "".join(next(left, "0") if sign.isalnum() else sign for sign in matched)
