"""Emoji as words: `👍🏽` becomes `:thumbs up sign, medium skin tone:`. In: a text. Out: the text, characters changed.

Names are Unicode's own (unicodedata). Pictures joined into one are named together: `👩‍🚀` is `:woman, rocket:`.
"""

from __future__ import annotations

import re
import unicodedata

PICTURE = "\u231a\u231b\u23e9-\u23f3\u2600-\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001f1e5\U0001f200-\U0001faff"
TONES = "\U0001f3fb-\U0001f3ff"
_ONE = f"[{PICTURE}]\ufe0f?[{TONES}]?\u20e3?"
SEQUENCE = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|{_ONE}(?:\u200d{_ONE})*")
TONE = {0x1F3FB: "light", 0x1F3FC: "medium-light", 0x1F3FD: "medium", 0x1F3FE: "medium-dark", 0x1F3FF: "dark"}


def name_emoji(text: str) -> tuple[str, int]:
    count = 0

    def named(match: re.Match[str]) -> str:
        nonlocal count
        if not any(_is_emoji(character) for character in match[0]):
            return match[0]
        count += len(match[0])
        return f":{', '.join(names_of(match[0]))}:"

    replaced = SEQUENCE.sub(named, text)
    return (replaced, count) if count else (text, 0)


def names_of(sequence: str) -> list[str]:
    """The names of a sequence's pictures; a flag is named by its country's letters."""
    if "\U0001f1e6" <= sequence[0] <= "\U0001f1ff":
        return [f"flag {''.join(chr(ord(letter) - 0x1F1E6 + ord('A')) for letter in sequence)}"]
    return [f"{TONE[ord(part)]} skin tone" if ord(part) in TONE else unicodedata.name(part, "emoji").lower()
            for part in sequence if part not in "\u200d\ufe0f\u20e3"]  # fmt: skip


def _is_emoji(character: str) -> bool:
    """Dingbats such as ✓ ✗ ❶ are text unless a variation selector says otherwise; what is left has the category of a picture."""
    return character == "\ufe0f" or ord(character) >= 0x1F000 or unicodedata.category(character) == "So"
