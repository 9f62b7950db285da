"""What old pipelines took away: capitals and function words. In: a text. Out: the text, and how many characters changed.

Good for retrieval and classification, harmful for a model that is to write: both are off unless asked for, with a warning.
"""

from __future__ import annotations

import re

from headwater.corpus.normalise.normal import differing

# Function words alone: articles, pronouns, prepositions, auxiliaries, conjunctions.
_ENGLISH = (
    "a about above after again all am an and any are as at be because been before being below between both but by can could did do does "
    "doing down during each few for from further had has have having he her here hers herself him himself his how i if in into is it its "
    "itself me more most my myself no nor not of off on once only or other our ours ourselves out over own same she should so some such "
    "than that the their theirs them themselves then there these they this those through to too under until up very was we were what when "
    "where which while who whom why will with would you your yours yourself yourselves"
)
ENGLISH = frozenset(_ENGLISH.split())
# Chinese has no spaces, so only words that are hardly ever part of another one; 的 goes unless it is one of 目的, 的确 ….
_CHINESE = "因为 所以 虽然 但是 而且 或者 如果 那么 以及 并且 然而 于是 因此 我们 你们 他们 她们 它们 这个 那个 这些 那些 自己 什么 怎么"
CHINESE = _CHINESE.split()
PARTICLES = "(?<![目标中])的(?![确士])|[吗呢吧啊呀嘛]"
STOP = re.compile(
    rf"\b(?:{'|'.join(sorted(ENGLISH, key=lambda word: (-len(word), word)))})\b[ \t]*|{'|'.join(CHINESE)}|{PARTICLES}", re.IGNORECASE
)


def lower(text: str) -> tuple[str, int]:
    small = text.lower()
    return small, differing(text, small)


def without_stop_words(text: str) -> tuple[str, int]:
    fewer = "\n".join(line.rstrip() for line in STOP.sub("", text).split("\n"))
    return fewer, len(text) - len(fewer)
