"""Where do the phrases of a list stand? In: code points. Out: every match, as numbers. One pass for all phrases (Aho, Corasick 1975).

A phrase is looked for without regard to case. `word` stands only between characters that are neither letters nor numbers of a
script with spaces, `word*` may go on; a phrase in a script without spaces stands anywhere. The automaton is a table of states by
symbols, where a symbol is a character that occurs in some phrase, so that a step is two look-ups whatever the number of phrases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept
from headwater.corpus.quality.unicode import ALNUM, SPACELESS, classes

WORD = ALNUM | SPACELESS
"""Of these flags a letter or number of a script with spaces has the first alone."""
DOTLESS = {0x130: ord("i"), 0x131: ord("i")}
"""İ and ı are an i to Python's re.IGNORECASE, which the automaton follows."""


@dataclass(frozen=True)
class Phrase:
    """What is looked for, and the list that it stands in; `bounded`: only as whole words (`*` at the end: as the beginning of one)."""

    text: str
    group: int
    bounded: bool = True


@dataclass(frozen=True)
class Matches:
    """Every match of a batch in the order of places: [M] arrays, and `starts` [N + 1] of the documents. `place` counts in the batch."""

    place: np.ndarray
    end: np.ndarray
    phrase: np.ndarray
    group: np.ndarray
    starts: np.ndarray


class Automaton:
    """Looks for phrases. Built once, from a list of some hundreds."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self.groups = np.array([phrase.group for phrase in phrases] or [0], np.int64)
        texts = [[_fold(ord(character)) for character in phrase.text.removesuffix("*")] for phrase in phrases]
        assert all(texts), "an empty phrase stands everywhere"
        self.lengths = np.array([len(text) for text in texts] or [0], np.int64)
        left = [phrase.bounded and _is_word(phrase.text[0]) for phrase in phrases]
        right = [phrase.bounded and _is_word(phrase.text[-1]) for phrase in phrases]  # never after a `*`
        self.bounds = np.array([[*left, False], [*right, False]])
        alphabet = sorted({point for text in texts for point in text})
        self.symbols = np.zeros(0x110000, np.uint16)
        order = {point: number for number, point in enumerate(alphabet, 1)}
        for point in [*_cased().tolist(), *alphabet]:
            self.symbols[point] = order.get(_fold(point), 0)
        self.steps, self.output_starts, self.outputs = _table([[order[point] for point in text] for text in texts], len(alphabet) + 1)

    def __call__(self, points_C: np.ndarray, starts: np.ndarray) -> Matches:
        place, end, phrase, document_starts = _search(
            points_C, starts, classes(), self.symbols, self.steps, self.output_starts, self.outputs, self.lengths, self.bounds
        )
        return Matches(place, end, phrase, self.groups[phrase], document_starts)


def _is_word(character: str) -> bool:
    return bool(classes()[ord(character)] & WORD == ALNUM)


@kept
def _cased() -> np.ndarray:
    """int64: every code point that differs from its folded form."""
    return np.array([point for point in range(0x20000) if _fold(point) != point], np.int64)


def _fold(point: int) -> int:
    """The code point without case: that of which re.IGNORECASE takes it for a variant."""
    if point in DOTLESS:
        return DOTLESS[point]
    if 0xD800 <= point < 0xE000:
        return point
    folded = chr(point).casefold()
    return ord(folded) if len(folded) == 1 else point


def _table(texts: list[list[int]], symbols: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(steps int32 [states, symbols], output starts [states + 1], outputs: numbers of the phrases that end in a state)`."""
    children: list[dict[int, int]] = [{}]
    ends: list[list[int]] = [[]]
    for number, text in enumerate(texts):
        state = 0
        for symbol in text:
            if symbol not in children[state]:
                children[state][symbol] = len(children)
                children.append({})
                ends.append([])
            state = children[state][symbol]
        ends[state].append(number)
    steps = np.zeros((len(children), symbols), np.int32)
    fallback = [0] * len(children)
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        if state:
            steps[state] = steps[fallback[state]]
            ends[state] = ends[state] + ends[fallback[state]]
        for symbol, child in children[state].items():
            fallback[child] = int(steps[fallback[state], symbol]) if state else 0
            waiting.append(child)
        for symbol, child in children[state].items():
            steps[state, symbol] = child
    starts = np.concatenate([[0], np.cumsum([len(numbers) for numbers in ends])]).astype(np.int64)
    return steps, starts, np.array([number for numbers in ends for number in numbers] or [0], np.int64)


@njit(cache=True, nogil=True)
def _search(
    points_C: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    symbols: np.ndarray,
    steps: np.ndarray,
    output_starts: np.ndarray,
    outputs: np.ndarray,
    lengths: np.ndarray,
    bounds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count, room = 0, 1024
    places, ends, phrases = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    document_starts = np.zeros(len(starts), np.int64)
    for document in range(len(starts) - 1):
        state = 0
        for place in range(starts[document], starts[document + 1]):
            state = steps[state, symbols[points_C[place]]]
            if output_starts[state] == output_starts[state + 1]:
                continue
            for output in range(output_starts[state], output_starts[state + 1]):
                phrase = outputs[output]
                first, last = place - lengths[phrase] + 1, place + 1
                if bounds[0, phrase] and first > starts[document] and classes[points_C[first - 1]] & WORD == ALNUM:
                    continue
                if bounds[1, phrase] and last < starts[document + 1] and classes[points_C[last]] & WORD == ALNUM:
                    continue
                if count == room:
                    room *= 2
                    places, ends, phrases = _grown(places, room), _grown(ends, room), _grown(phrases, room)
                places[count], ends[count], phrases[count] = first, last, phrase
                count += 1
        document_starts[document + 1] = count
    return places[:count], ends[:count], phrases[:count], document_starts


@njit(cache=True, nogil=True)
def _grown(values: np.ndarray, room: int) -> np.ndarray:
    larger = np.empty(room, np.int64)
    larger[: len(values)] = values
    return larger
