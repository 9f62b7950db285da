"""Is this number somebody's telephone? In: a text and a place in it. Out: spans.

A number is taken for a telephone by its form alone where the form is rare otherwise: `+` and an assigned country code
(ITU-T E.164), the North American 3-3-4 with its rules for first digits, a Chinese mobile number (11 digits with an
assigned prefix), a Chinese landline with area code and hyphen. Other forms need a word before them (`tel`, 电话).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headwater.corpus.document import Span

BEFORE, AFTER = r"(?<![\w.$€£¥￥#/=+-])(?<!第)", r"(?![\w%％]|[.,/-]\d|[元块万亿美人次名个件])"
INTERNATIONAL = re.compile(
    r"(?<![\w.)+])(?:\+|(?<!\d[ -])00(?=86[ -]?1|44|49|33|1[ -]))([1-9]\d{0,2})((?:[ .-]?\(?\d{1,5}\)?){1,6}[ .-]?\d{2,5})(?![\w]|[.,/]\d)",
    re.ASCII,
)
AMERICAN = re.compile(
    BEFORE + r"(?:1[ .-])?(?:\(([2-9]\d\d)\)[ -]?|([2-9]\d\d)([-. ]))([2-9]\d\d)[-. ](\d{4})(?:,? ?(?:x|ext\.?) ?\d{1,5})?"
    r"(?![\w]|[-.]\d)", re.ASCII
)  # fmt: skip
ASSIGNED = r"1(?:3\d|4[014-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])"
MOBILE = re.compile(BEFORE + rf"(?:86[ -]?)?({ASSIGNED})([ -]?)(\d{{4}})\2(\d{{4}})" + AFTER, re.ASCII)
AREA = r"0(?:10|2\d|[3-9]\d\d)"
LANDLINE = re.compile(BEFORE + rf"(?:[(（]{AREA}[)）] ?|{AREA}[- ])[2-8]\d{{6,7}}(?:[-转]\d{{1,5}})?(?![\w]|[.-]\d)", re.ASCII)
HOTLINE = re.compile(BEFORE + r"[48]00-(?:\d{3}-\d{4}|\d{4}-\d{3})(?![\w]|[.-]\d)", re.ASCII)
NAMED = re.compile(r"(?<![\w.,$€£¥#=+-])\(?\d{2,5}\)?(?:[ ./-]?\d{2,5}){1,5}(?![\w%]|[.,]\d)", re.ASCII)
"""Any grouping, where a word says that it is a telephone."""
PHONE_WORD = re.compile(
    r"(?:(?<![a-z])(?:tel|telephone|phone|cell|call(?: (?:us|me|him|her|them))?|mobile|mob|fax|whatsapp|hotline|dial|text|reach me|ring)"
    r"(?![a-z])|电话|手机|手机号|座机|热线|传真|致电|拨打|联系方式)"
    r"(?:[ .:：#]|at|on|number|no|is|号码?|为|是|（[^）\d]{0,6}）|\([^)\d]{0,12}\))*\(?$", re.IGNORECASE
)  # fmt: skip
OTHER_WORD = re.compile(
    r"(?:订单|单号|编号|流水|账号|帐号|卡号|序列|批次|型号|条码|群|QQ|ISBN|ISSN|\border|invoice|tracking|serial|\bid|\bno\.?|number|account|"
    r"item|part|model|case|ticket|ref\w*|sku|bug|issue|doi|patent)[^\n\d。，,;；]{0,12}$", re.IGNORECASE
)  # fmt: skip
CONTEXT = 40

REST = {"1": (10, 10), "7": (10, 10), "30": (10, 10), "31": (9, 9), "33": (9, 9), "34": (9, 9), "39": (6, 11), "44": (9, 10), "46": (7, 9),
        "49": (6, 12), "61": (9, 9), "65": (8, 8), "81": (9, 10),
        "82": (8, 10), "86": (10, 11), "91": (10, 10), "852": (8, 8), "853": (8, 8),
        "886": (8, 9)}  # fmt: skip
"""Digits after the country code; of other countries 7 to 12."""
COUNTRIES = re.compile(
    r"1|7|20|21[12368]|2[23]\d|24\d|25[0-8]|26\d|27|29[01789]|3[0-469]|35\d|37[0-8]|38[0-35-79]|4[013-9]|42[013]|5[1-8]|50\d|59\d|6[0-6]|67[02-9]|"
    r"68[0-35-9]|69[0-2]|8[1246]|80[08]|85[02356]|87[08]|88[0126]|9[0-58]|96[0-8]|97[0-79]|99[2-68]"
)


def phones(text: str, start: int, end: int, reserved: bool) -> Iterator[Span]:
    """Telephone numbers that touch the digits between two places of the text."""
    low, high = max(0, start - 8), min(len(text), end + 10)
    for pattern, holds in FORMS:
        for found in pattern.finditer(text, low, high):
            if found.end() > start and found.start() < end and holds(text, found) and (reserved or not _is_nobodys(found.group())):
                yield _bare(text, found.start(), found.end())


def _international(text: str, found: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", found.group())
    digits = digits.removeprefix("00") if found.group().startswith("00") else digits
    code = next((digits[:width] for width in (3, 2, 1) if COUNTRIES.fullmatch(digits[:width])), None)
    if code is None or not 8 <= len(digits) <= 15:
        return False
    least, most = REST.get(code, (7, 12))
    rest = digits[len(code) :]
    trunk = "(0)" in found.group()  # +44 (0)20 …
    return least <= len(rest) - trunk <= most and len(set(rest)) > 1 and (code != "1" or (rest[0] > "1" and rest[3] > "1"))


def _american(text: str, found: re.Match[str]) -> bool:
    area = found.group(1) or found.group(2)
    spaced = found.group(3) == " "  # three columns of a table look like this
    return area[1:] != "11" and not OTHER_WORD.search(_context(text, found)) and (not spaced or _is_named(text, found.start()))


def _mobile(text: str, found: re.Match[str]) -> bool:
    digits = found.group(1) + found.group(3) + found.group(4)
    if digits.endswith("00000") or (len(set(digits[3:])) == 1 and not _is_named(text, found.start())):
        return False
    return _is_named(text, found.start()) or not OTHER_WORD.search(_context(text, found))


def _landline(text: str, found: re.Match[str]) -> bool:
    return " " not in found.group() or found.group()[0] in "(（" or _is_named(text, found.start())


def _any(text: str, found: re.Match[str]) -> bool:
    return True


def _named(text: str, found: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", found.group())
    return 7 <= len(digits) <= 13 and len(set(digits)) > 1 and _is_named(text, found.start())


FORMS = (
    (INTERNATIONAL, _international), (MOBILE, _mobile), (LANDLINE, _landline), (HOTLINE, _any), (AMERICAN, _american), (NAMED, _named),
)  # fmt: skip


def _context(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - CONTEXT) : found.start()]


def _is_named(text: str, start: int) -> bool:
    return PHONE_WORD.search(text[max(0, start - CONTEXT) : start].rstrip()) is not None


def _is_nobodys(number: str) -> bool:
    """North American 555-01xx, the British drama numbers 020 7946 0xxx and 07700 900xxx (Ofcom), and what no plan assigns."""
    digits = re.sub(r"\D", "", number)
    unassigned = re.match(r"(?:(?:\+|00)?86[ -]?)?12\d[ -]?\d{4}[ -]?\d{4}$", number)
    return unassigned is not None or re.search(r"55501\d\d$|79460\d{3}$|7700900\d{3}$|^000", digits) is not None


def _bare(text: str, start: int, end: int) -> Span:
    """Without a bracket that opens or closes outside the number."""
    if text[start] == "(" and ")" not in text[start:end]:
        start += 1
    if text[end - 1] == ")" and "(" not in text[start:end]:
        end -= 1
    return start, end, "phone"
