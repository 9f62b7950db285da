"""Other words of the same meaning. In: a dictionary of the user's (`word<tab>synonym<tab>…`). Out: a function on texts.

Words with spaces between them are looked up whole and keep their capitals; in text without spaces the longest entry of the
dictionary that begins at a character counts as a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_bytes
from headwater.corpus.augment.config import Synonyms

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
RUN = re.compile(f"[{HAN}]+|[^\\W\\d_{HAN}]+(?:['’-][^\\W\\d_{HAN}]+)*")
SPACELESS = re.compile(f"[{HAN}]")


def replacer(config: Synonyms) -> Callable[[str, np.random.Generator], str]:
    """Raises HeadwaterError for a dictionary that cannot be read."""
    others = read_synonyms(config.dictionary)
    longest = max(map(len, others), default=0)

    def one(word: str, draw: np.random.Generator) -> str:
        known = others.get(word.lower())
        if known is None or draw.random() >= config.share:
            return word
        other = known[int(draw.integers(len(known)))]
        if word.isupper() and len(word) > 1:
            return other.upper()
        return other[:1].upper() + other[1:] if word[:1].isupper() else other

    def run(text: str, draw: np.random.Generator) -> str:
        if not SPACELESS.match(text):
            return one(text, draw)
        pieces, place = [], 0
        while place < len(text):
            sizes = range(min(longest, len(text) - place), 0, -1)
            size = next((size for size in sizes if text[place : place + size] in others), 1)
            pieces.append(one(text[place : place + size], draw))
            place += size
        return "".join(pieces)

    return lambda text, draw: RUN.sub(lambda match: run(match[0], draw), text)


def read_synonyms(url: str) -> dict[str, list[str]]:
    others: dict[str, list[str]] = {}
    for number, line in enumerate(read_bytes(url).decode("utf-8", "replace").splitlines(), 1):
        words = [word.strip() for word in line.split("\t")]
        if line.strip() and (len(words) < 2 or not all(words)):
            raise HeadwaterError("is no line of `word<tab>synonym<tab>synonym …`", where=f"{url}:{number}", mend="part the words by tabs")
        if line.strip():
            known = others.setdefault(words[0].lower(), [])
            known += [word for word in words[1:] if word not in known]
    return others
