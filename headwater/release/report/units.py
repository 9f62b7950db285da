"""How is a quantity said to people? Numbers in, short texts with their unit out, in English or Chinese.

    count(3_104_211, "en") -> "3.10 M"      size(9_120_000) -> "9.12 MB"      duration(250, "en") -> "4 min 10 s"

Three significant digits, decimal prefixes; 万 and 亿 in Chinese, as people say them there.
"""

from __future__ import annotations

import math

Scale = tuple[tuple[float, str], ...]

ENGLISH: Scale = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
CHINESE: Scale = ((1e12, "万亿"), (1e8, "亿"), (1e4, "万"))
BYTES: Scale = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SPELLED_OUT = 10_000  # below this a count is said to the last unit


def count(number: float, lang: str) -> str:
    """A number of things: whole below 10,000, then with three significant digits."""
    if not math.isfinite(number):
        return figure(number)
    if abs(number) < SPELLED_OUT:
        return f"{number:,.0f}"
    return _scaled(number, CHINESE if lang == "zh" else ENGLISH)


def size(number: float) -> str:
    """Bytes, decimal: 1 MB is a million bytes."""
    return f"{number:,.0f} B" if abs(number) < 1e3 else _scaled(number, BYTES)


def duration(seconds: float, lang: str) -> str:
    """The two largest units that matter: `4 min 10 s`, `1 h 5 min`; a tenth of a second below ten."""
    hour, minute, second = (" 小时", " 分", " 秒") if lang == "zh" else (" h", " min", " s")
    if seconds < 9.95:
        return f"{seconds:.1f}{second}"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours:,}{hour}" + (f" {minutes}{minute}" if minutes else "")
    if minutes:
        return f"{minutes}{minute}" + (f" {rest}{second}" if rest else "")
    return f"{rest}{second}"


def figure(number: float, digits: int = 4) -> str:
    """A measured figure with significant digits; very small and large ones as 2.1 × 10⁻⁶."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == 0:
        return "0"
    if abs(number) < 1e-3 or abs(number) >= 1e6:
        mantissa, _, exponent = f"{number:.{min(digits, 3) - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        power = str(int(exponent)).translate(SUPERSCRIPT)
        return f"{mantissa} × 10{power}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    return f"{number:,.{places}f}".replace("-", "−")


def percent(part: float, whole: float = 1.0) -> str:
    """A share; `<0.1 %` rather than a nought that is none."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1 %"
    return f"{share:.0f} %" if share >= 99.95 or share == 0 else f"{share:.1f} %"


def _scaled(number: float, scale: Scale) -> str:
    for factor, name in scale:
        # 999,950 says "1.00 M", not "1000 k"
        if abs(number) >= factor * 0.9995:
            value = number / factor
            places = max(0, 2 - math.floor(math.log10(abs(value) * 1.0005)))
            return f"{value:,.{places}f} {name}"
    return f"{number:,.0f}"
