"""What is planted, and what is true of it? In: texts of the corpus, the recipe. Out: documents with what a detector should say of each.

Every carrier (a document of the finished corpus) carries one thing: a copy, a copy with its end cut off, one item of personal data,
an example of an evaluation set, wrong decoding. The others stay as they are: whatever is found in those was not planted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headwater.corpus.config import Corpus
from headwater.corpus.proof.private import KINDS, planted
from headwater.corpus.proof.texts import CODE, LANGUAGES, NOTICES, PLAIN

EACH = 12
"""Things planted of a kind (of personal data and of licences: a third)."""
LEAST, MOST = 400, 6000
"""Characters of a carrier: long enough that a near copy is well above the threshold, short enough to be quick."""
LONG = 30
"""Words, or characters of a text without spaces, from which an evaluation example is sure to hold an n-gram."""
NOTHING = ""


@dataclass(frozen=True)
class Plant:
    """A document that is planted."""

    detector: str
    text: str
    truth: str = "there"
    """What a detector should say: the language, the licence; of wrong decoding the text as it was, of personal data the item."""
    kind: str = ""
    carrier: int | None = None
    """The text that it was made from."""
    path: str | None = None
    """Of a file of code."""


@dataclass
class Carriers:
    """Texts of the corpus, each given away once."""

    texts: Sequence[str]
    taken: int = 0

    def take(self, count: int) -> Iterator[tuple[int, str]]:
        for number in range(self.taken, min(self.taken + count, len(self.texts))):
            self.taken += 1
            yield number, self.texts[number]


def plants_of(config: Corpus, texts: Sequence[str], examples: Sequence[str]) -> list[Plant]:
    """For each detector that the recipe has switched on; files of code last. The same for the same recipe and texts."""
    draw = random.Random("planted truth")
    carriers = Carriers(texts)
    found: list[Plant] = []
    if config.duplicates.exact:
        found += [Plant("duplicates", text, kind="exact", carrier=number) for number, text in carriers.take(EACH)]
    if config.duplicates.near is not None:
        kept = (1 + config.duplicates.near.threshold) / 2
        found += [Plant("duplicates", text[: int(kept * len(text))], kind="near", carrier=number) for number, text in carriers.take(EACH)]
    found += [Plant("languages", text, code) for code, text in LANGUAGES.items()]
    if config.normalise.repair:
        sound = [*((None, text) for text in LANGUAGES.values()), *carriers.take(EACH)]
        found += [Plant("decoding", wrong, text, carrier=number) for number, text in sound if (wrong := _misread(text)) is not None]
    if config.privacy is not None:
        kinds = [kind for kind in KINDS if getattr(config.privacy, kind)]
        for kind, (number, text) in zip(kinds * (EACH // 3), carriers.take(EACH // 3 * len(kinds)), strict=False):
            with_item, (start, end, _) = planted(text, kind, draw)
            found.append(Plant("privacy", with_item, with_item[start:end], kind, number))
    if config.contamination is not None:
        some = [example.strip() for example in examples if _is_long(example)][:EACH]
        for example, (number, text) in zip(some, carriers.take(len(some)), strict=False):
            found.append(Plant("contamination", f"{text}\n{example}\n", carrier=number))
    if config.licences is not None:
        found += _code(draw)
    return found


def _misread(text: str) -> str | None:
    """UTF-8 read as Windows-1252, or as Latin-1 where that one has no such byte; None where it is no damage."""
    data = text.encode()
    try:
        wrong = data.decode("cp1252")
    except UnicodeDecodeError:
        wrong = data.decode("latin-1")
    return None if wrong == text else wrong


def _is_long(example: str) -> bool:
    return len(example.split()) >= LONG or (not example.isascii() and len(example) >= LONG)


def _code(draw: random.Random) -> list[Plant]:
    notices = [(licence, notice) for licence, some in NOTICES.items() for notice in some] + [(NOTHING, notice) for notice in PLAIN]
    found = []
    for number, (licence, notice) in enumerate(notices * (EACH // 3)):
        text = CODE.format(notice=notice, name=f"blend_{number}", number=draw.randint(2, 9999))
        found.append(Plant("licences", text, licence, path=f"part_{number:03d}.py"))
    return found
