"""How much of a text stands word for word in the training text?

In: texts (samples of the model, or passages by people for comparison) and the training documents. Out: for each text its
longest substring, in characters, that some document has verbatim; exact, nothing hashed, nothing normalised.

Each text becomes its suffix automaton (Blumer et al. 1985), which reads the documents once, character by character, and
always knows the longest piece of the text that ends where it reads: O(corpus) time and no index of the corpus.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
OTHER = 0  # symbol of every character that the text does not have; it leads back to the start
UNICODE = 0x110000


@dataclass(frozen=True)
class Match:
    """`text` (so many `characters`) stands in the document; nothing longer stands in any."""

    characters: int
    text: str
    document: str | None


@dataclass
class Automaton:
    """The suffix automaton of a text: `following[state, symbol]` is the next state or -1, `shorter` the suffix link,
    `length` the longest string of a state; `symbol_of[code point]` numbers the text's characters from 1."""

    text: str
    symbol_of: Array
    following: Array
    shorter: Array
    length: Array
    best: Match = field(default_factory=lambda: Match(0, "", None))


def longest_match(text: str, documents: Iterable[tuple[str, str]]) -> Match:
    """The longest substring of `text` in the (id, text) documents; of equal ones, the first met."""
    return longest_matches([text], documents)[0]


def longest_matches(texts: Sequence[str], documents: Iterable[tuple[str, str]]) -> list[Match]:
    """The same for many texts, reading the documents once."""
    automata = [build(text) for text in texts]
    read = _reader()
    for document, content in documents:
        code_points = np.frombuffer(content.encode("utf-32-le", "surrogatepass"), np.uint32)
        for automaton in automata:
            known = automaton.best.characters
            size, end = read(code_points, automaton.symbol_of, automaton.following, automaton.shorter, automaton.length, known)
            if size > known:
                automaton.best = Match(int(size), content[end - size : end], document)
    return [automaton.best for automaton in automata]


def build(text: str) -> Automaton:
    """Add one character after the other: at most two states each, by cloning a state whose strings part ways."""
    characters = {character: number for number, character in enumerate(sorted(set(text)), start=1)}
    following: list[dict[int, int]] = [{}]
    shorter, length = [-1], [0]
    last = 0
    for character in text:
        symbol = characters[character]
        new = _state(following, shorter, length, {}, length[last] + 1)
        at = last
        while at != -1 and symbol not in following[at]:
            following[at][symbol] = new
            at = shorter[at]
        shorter[new] = 0 if at == -1 else _parted(following, shorter, length, at, symbol)
        last = new
    symbol_of = np.zeros(UNICODE, np.int32)
    symbol_of[[ord(character) for character in characters]] = list(characters.values())
    return Automaton(text, symbol_of, _dense(following, len(characters) + 1), np.array(shorter, np.int32), np.array(length, np.int32))


def _state(following: list[dict[int, int]], shorter: list[int], length: list[int], edges: dict[int, int], longest: int) -> int:
    following.append(edges)
    shorter.append(-1)
    length.append(longest)
    return len(length) - 1


def _parted(following: list[dict[int, int]], shorter: list[int], length: list[int], at: int, symbol: int) -> int:
    """The state whose longest string is that of `at` and `symbol`: the one reached, or a clone of it that is short enough."""
    reached = following[at][symbol]
    if length[reached] == length[at] + 1:
        return reached
    clone = _state(following, shorter, length, dict(following[reached]), length[at] + 1)
    shorter[clone], shorter[reached] = shorter[reached], clone
    while at != -1 and following[at].get(symbol) == reached:
        following[at][symbol] = clone
        at = shorter[at]
    return clone


def _dense(following: Sequence[dict[int, int]], symbols: int) -> Array:
    table = np.full((len(following), symbols), -1, np.int32)
    for state, edges in enumerate(following):
        for symbol, target in edges.items():
            table[state, symbol] = target
    return table


@functools.cache
def _reader() -> Callable[..., tuple[int, int]]:
    """The one loop over every character of the corpus, compiled (numba is imported late: it takes half a second)."""
    import numba

    @numba.njit(nogil=True)  # type: ignore[misc, untyped-decorator, unused-ignore]
    def read(code_points: Array, symbol_of: Array, following: Array, shorter: Array, length: Array, known: int) -> tuple[int, int]:
        """Longest match above `known` characters, and where in the document it ends; (known, 0) without one."""
        best, end = known, 0
        state, matched = 0, 0
        for place in range(len(code_points)):
            symbol = symbol_of[code_points[place]]
            while state != 0 and following[state, symbol] == -1:
                state = shorter[state]
                matched = length[state]
            if following[state, symbol] == -1:
                matched = 0
            else:
                state = following[state, symbol]
                matched += 1
            if matched > best:
                best, end = matched, place + 1
        return best, end

    return read
