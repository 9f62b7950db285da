"""Letters that only look right: a Cyrillic `а` in `pаypal`, a Latin `o` in `Мoсква`. In: a text. Out: the text, letters changed.

A word is changed only when it mixes scripts, when its letters of the rarer script all have lookalikes in the commoner one,
and when that is really the commoner one; so Russian and Greek, `kΩ`, `IT-отдел` and formulas stay. Lookalikes: Unicode
Technical Standard 39 (confusables), those that are alike in common fonts. Lower-case Greek but `ο` is left out: ν, ρ, α, γ
stand beside Latin letters in formulas.
"""

from __future__ import annotations

import re

LATIN_OF_CYRILLIC = dict(zip("АВЕЅІЈКМНОРСТУХԜаеорсухѕіјһԁԛԝѵ", "ABESIJKMHOPCTYXWaeopcyxsijhdqwv", strict=True))
LATIN_OF_GREEK = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True))
_TO = {
    ("cyrillic", "latin"): LATIN_OF_CYRILLIC,
    ("greek", "latin"): LATIN_OF_GREEK,
    ("latin", "cyrillic"): {latin: cyrillic for cyrillic, latin in LATIN_OF_CYRILLIC.items()},
    ("latin", "greek"): {latin: greek for greek, latin in LATIN_OF_GREEK.items()},
}
RANGES = {"latin": "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff", "cyrillic": "\u0400-\u052f",
          "greek": "\u0370-\u03ff\u1f00-\u1fff"}  # fmt: skip
IS = {script: re.compile(f"[{ranges}]") for script, ranges in RANGES.items()}
_L, _C, _G = RANGES["latin"], RANGES["cyrillic"], RANGES["greek"]
# The lookbehind lets a search begin only where a word does: else a run of n letters would cost n * n.
MIXED = re.compile(f"(?<![{_L}{_C}{_G}])[{_L}{_C}{_G}]*(?:[{_L}][{_C}{_G}]|[{_C}][{_L}{_G}]|[{_G}][{_L}{_C}])[{_L}{_C}{_G}]*")
"""A word in which letters of two of the scripts touch."""
GREEK_WORD = 5
"""Letters from which on a word counts as Greek: shorter ones with Latin letters in them are formulas (Tμν, Aβ)."""


def fold(text: str) -> tuple[str, int]:
    count = 0

    def word(match: re.Match[str]) -> str:
        nonlocal count
        folded = fold_word(match[0])
        count += sum(a != b for a, b in zip(match[0], folded, strict=True))
        return folded

    folded = MIXED.sub(word, text)
    return (folded, count) if count else (text, 0)


def fold_word(word: str) -> str:
    """The word in its commoner script, if the rest are lookalikes; else as it is."""
    scripts = [next((script for script, pattern in IS.items() if pattern.match(letter)), "") for letter in word]
    ranked = sorted(((scripts.count(script), script) for script in IS), reverse=True)
    (most, target), (second, _), _ = ranked
    if most == second or (target == "greek" and len(word) < GREEK_WORD):
        return word
    letters = [
        letter if script == target else _TO.get((script, target), {}).get(letter) for letter, script in zip(word, scripts, strict=True)
    ]
    return word if None in letters else "".join(letter for letter in letters if letter is not None)
