"""Slips of the hand. In: a text and a random stream. Out: the text with letters left out, doubled, swapped or struck amiss."""

from __future__ import annotations

import numpy as np

from headwater.corpus.augment.config import Noise

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Keys that touch, on a QWERTY keyboard: beside each other, and in the rows above and below (each half a key to the right)."""
    found: dict[str, str] = {}
    for row, keys in enumerate(_ROWS):
        for place, key in enumerate(keys):
            near = [(row, place - 1), (row, place + 1), (row - 1, place), (row - 1, place + 1), (row + 1, place - 1), (row + 1, place)]
            found[key] = "".join(_ROWS[r][p] for r, p in near if 0 <= r < len(_ROWS) and 0 <= p < len(_ROWS[r]))
    return found


NEIGHBOURS = _neighbours()


def noisy(text: str, config: Noise, draw: np.random.Generator) -> str:
    slips = draw.random(len(text)) < config.share
    pieces: list[str] = []
    place = 0
    while place < len(text):
        letter = text[place]
        possible = [slip for slip in config.slips if slip != "keyboard" or letter.lower() in NEIGHBOURS]
        if not slips[place] or not letter.isalpha() or not possible:
            pieces.append(letter)
            place += 1
            continue
        slip = possible[int(draw.integers(len(possible)))]
        after = text[place + 1 : place + 2]
        if slip == "double":
            pieces.append(letter * 2)
        elif slip == "keyboard":
            near = NEIGHBOURS[letter.lower()]
            struck = near[int(draw.integers(len(near)))]
            pieces.append(struck.upper() if letter.isupper() else struck)
        elif slip == "swap":
            swaps = after.isalpha()
            pieces.append(after + letter if swaps else letter)
            place += swaps
        place += 1
    return "".join(pieces)
