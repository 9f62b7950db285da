"""Is this number somebody's card, account, identity card or passport? In: a text and a place in it. Out: spans whose check digits hold.

Sources: ISO/IEC 7812-1 annex B (Luhn) and the issuers' published ranges; ISO 13616 (IBAN; lengths from SWIFT's registry);
GB 11643-1999 (18-digit citizen number: region, date of birth, ISO 7064 MOD 11-2) and its 15-digit predecessor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from headwater.corpus.document import Span

CARD = re.compile(
    r"(?<![\w.,$€£¥+-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\w]|[.,-]\d)", re.ASCII
)
CHINESE_ID = re.compile(r"(?<![\w.])([1-9]\d{5})([ -]?)((?:18|19|20)\d{6})\2(\d{3}[\dXx])(?![\w])", re.ASCII)
OLD_CHINESE_ID = re.compile(r"(?<![\w.])([1-9]\d{5})(\d{6})\d{3}(?![\w])", re.ASCII)
ID_WORD = re.compile(r"身份证|身分证|证件号|公民身份|\bID (?:card|number|no)|identity card", re.IGNORECASE)
IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2}\d{2})((?: ?[A-Z0-9]){11,30})(?![a-z])", re.ASCII)
PASSPORT = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{1,2} ?\d{6,8}|\d{9}|[A-Z]\d{2}[A-Z0-9]{6}|[A-Z]{2}[A-Z0-9]{7})(?![A-Za-z0-9])", re.ASCII)

PROVINCES = frozenset([*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83])
ID_WEIGHTS = [pow(2, 17 - place, 11) for place in range(17)]
ID_CHECKS = "10X98765432"
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
    "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22,
    "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30,
    "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27,
    "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
CONTEXT = 30
"""Characters before a number in which a word may say what it is."""


def cards(text: str, start: int, end: int) -> Iterator[Span]:
    """`4111 1111 1111 1111` between two places of the text."""
    for found in CARD.finditer(text, max(0, start - 1), min(len(text), end + 2)):
        digits = re.sub(r"\D", "", found.group())
        if is_card(digits) and len(set(digits)) > 1 and start <= found.start() and found.end() <= end:
            yield found.start(), found.end(), "card"


def is_card(digits: str) -> bool:
    """Issuer's range, its lengths, Luhn."""
    return any(low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in ISSUERS) and luhn(digits)


def luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(value - 9 if value > 9 else value for value in doubled) + sum(map(int, digits[::-2]))) % 10 == 0


ISSUERS: list[tuple[int, int, tuple[int, ...]]] = [
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)), (2221, 2720, (16,)),  # Mastercard
    (34, 34, (15,)), (37, 37, (15,)),  # American Express
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (6011, 6011, (16, 19)), (644, 649, (16, 19)), (65, 65, (16, 19)),  # Discover
    (3528, 3589, (16,)),  # JCB
    (300, 305, (14,)), (36, 36, (14,)), (38, 39, (14,)),  # Diners Club
]  # fmt: skip


def chinese_ids(text: str, start: int, end: int) -> Iterator[Span]:
    """`11010519491231002X`, also in groups of 6, 8 and 4; 15 digits only after a word for it, for they have no check digit."""
    low, high = max(0, start - 1), min(len(text), end + 2)
    for found in CHINESE_ID.finditer(text, low, high):
        region, _, born, rest = found.groups()
        if is_chinese_id(region + born + rest):
            yield found.start(), found.end(), "chinese_id"
    for found in OLD_CHINESE_ID.finditer(text, low, high):
        region, born = found.groups()
        if int(region[:2]) in PROVINCES and _is_date("19" + born) and ID_WORD.search(text, max(0, found.start() - CONTEXT), found.start()):
            yield found.start(), found.end(), "chinese_id"


def is_chinese_id(number: str) -> bool:
    """Region, date of birth, check digit."""
    check = ID_CHECKS[sum(weight * int(digit) for weight, digit in zip(ID_WEIGHTS, number[:17], strict=True)) % 11]
    return int(number[:2]) in PROVINCES and _is_date(number[6:14]) and number[17].upper() == check


def _is_date(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def ibans(text: str, start: int) -> Iterator[Span]:
    """`GB29 NWBK 6016 1331 9268 19` at a place of the text."""
    found = IBAN.match(text, start)
    wanted = IBAN_LENGTHS.get(text[start : start + 2])
    if found is None or wanted is None:
        return
    end = start
    for _ in range(wanted):  # the country says how many letters and digits; what follows them is another word
        end += 1 if text[end : end + 1] != " " else 2
    compact = text[start:end].replace(" ", "")
    if end <= found.end() and len(compact) == wanted and not re.match(r"[A-Za-z0-9]", text[end : end + 1]) and is_iban(compact):
        yield start, end, "iban"


def is_iban(compact: str) -> bool:
    """ISO 7064 MOD 97-10; its check digits go from 02 to 98."""
    return 2 <= int(compact[2:4]) <= 98 and int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def passports(text: str, end: int, reserved: bool) -> Iterator[Span]:
    """The first number within a few words after `passport` or 护照, in the same sentence."""
    stop = re.compile(r"[\n。;；!?！？]|\.\s+[A-Z][a-z]").search(text, end, end + 2 * CONTEXT)
    limit = stop.start() if stop else end + 2 * CONTEXT
    found = next((found for found in PASSPORT.finditer(text, end, limit) if sum(sign.isdigit() for sign in found.group()) >= 4), None)
    if found is not None and (reserved or re.sub(r"\D", "", found.group())[:-3].strip("0")):
        yield found.start(), found.end(), "passport"
