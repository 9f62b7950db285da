"""Where can a text be cut so that a reader would say: that is where it goes on?

In: a document. Out: an excerpt, which is some context and the answer that truly follows it, cut at ends of lines and
sentences (Latin and CJK punctuation), never inside a word of a language that has spaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from headwater.evaluation.texts import Text

# A sentence ends with .!? before white space, with 。！？ anywhere (closing quotes belong to both), or with its line.
SENTENCE_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)|[。！？…]+["”’」』）]*|\S(?=[^\S\n]*\n)""")
SHORTEST_CONTEXT = 16  # characters; less tells a reader nothing
SHORTEST_ANSWER = 4


@dataclass(frozen=True)
class Excerpt:
    """`context + gap + answer` stands in the document; the gap is white space or nothing."""

    document: str
    language: str | None
    context: str
    gap: str
    answer: str

    @property
    def whole(self) -> str:
        return self.context + self.gap + self.answer


def excerpt(document: Text, context: int, answer: int, rng: np.random.Generator, *, whole_sentences: bool = True) -> Excerpt | None:
    """One cut of the document, drawn among all that leave enough on both sides; None when none does.

    `context` and `answer` are the most characters of each. With `whole_sentences` the answer ends where a sentence or at
    least a word does; without, it is as long as asked for or not at all.
    """
    text = document.text
    cuts = [cut for cut in sentence_ends(text) if cut >= SHORTEST_CONTEXT and len(text) - cut > SHORTEST_ANSWER]
    for place in rng.permutation(len(cuts)):
        before, after = text[: cuts[place]], text[cuts[place] :]
        begun = _from_sentence(before[-context:]) if len(before) > context else before.lstrip()
        gap = after[: len(after) - len(after.lstrip())]
        said = to_sentence(after[len(gap) :], answer) if whole_sentences else after[len(gap) :][:answer].rstrip()
        if len(begun) >= SHORTEST_CONTEXT and len(said) >= (SHORTEST_ANSWER if whole_sentences else answer // 2):
            return Excerpt(document.id, document.language, begun, gap, said)
    return None


def sentence_ends(text: str) -> list[int]:
    """Places just after a sentence, before the white space that follows it."""
    return [match.end() for match in SENTENCE_END.finditer(text) if match.end() < len(text)]


def to_sentence(text: str, most: int) -> str:
    """The beginning of a text, at most so many characters, ended after a sentence, else after a word."""
    if len(text) <= most:
        return text.rstrip()
    ends = [end for end in sentence_ends(text[: most + 1]) if SHORTEST_ANSWER <= end <= most]
    if ends:
        return text[: ends[-1]]
    words = re.match(r"(.*\S)\s", text[: most + 1], re.DOTALL)
    return words.group(1) if words else text[:most]


def _from_sentence(text: str) -> str:
    """The end of a text, begun after a sentence if that leaves half of it, else after a word."""
    ends = [end for end in sentence_ends(text) if end <= len(text) // 2]
    if ends:
        return text[ends[0] :].lstrip()
    head, space, tail = text.partition(" ")
    return tail.lstrip() if space and len(head) < len(text) // 2 else text
