"""Where does an answer end, when a piece of text ends it?

In: stop strings, and the text of an answer as it comes, in pieces or token by token. Out: the text before the first of them. A stop
string may straddle tokens, and tokens may split its characters: what is compared is text, and only what no later byte can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headwater.core.errors import HeadwaterError
from headwater.generation.text import TextStream
from headwater.tokens.tokenizer import Tokenizer


class StopStrings:
    """The pieces of text that end an answer. Raises HeadwaterError for an empty one, which would end every answer."""

    def __init__(self, tokenizer: Tokenizer, strings: Sequence[str]) -> None:
        if "" in strings:
            raise HeadwaterError("an empty stop string would end every answer before it begins", where="stop_strings",
                                 mend="leave it out")  # fmt: skip
        self.tokenizer, self.strings = tokenizer, tuple(strings)

    def watch(self) -> Watch:
        """For one answer."""
        return Watch(self)


class Watch:
    """One answer in progress: `text` is what is sure of it, cut before the stop string once that has come."""

    def __init__(self, stop: StopStrings) -> None:
        self.text = ""
        self.found: str | None = None
        self._strings = stop.strings
        self._pieces = TextStream(stop.tokenizer)
        self._longest = max(map(len, stop.strings), default=1)

    def add(self, id: int) -> str | None:
        """The stop string that this token completes, if it does."""
        return self._take(self._pieces.add(id))

    def close(self) -> str | None:
        """No token comes any more: bytes that wait for others are taken as they are."""
        return None if self.found is not None else self._take(self._pieces.close())

    def _take(self, piece: str) -> str | None:
        looked = max(0, len(self.text) - self._longest + 1)  # what stands before was looked through
        self.text += piece
        first = first_of(self.text, self._strings, looked)
        if first is not None:
            place, self.found = first
            self.text = self.text[:place]
        return self.found


def until(pieces: Iterable[str], strings: Sequence[str]) -> Iterator[str]:
    """The pieces before the first stop string; what may be the beginning of one waits until it is known."""
    waiting = ""
    for piece in pieces:
        waiting += piece
        if (first := first_of(waiting, strings)) is not None:
            if first[0]:
                yield waiting[: first[0]]
            return
        sure = len(waiting) - _begun(waiting, strings)
        if sure:
            yield waiting[:sure]
            waiting = waiting[sure:]
    if waiting:
        yield waiting


def first_of(text: str, strings: Sequence[str], start: int = 0) -> tuple[int, str] | None:
    """Place and spelling of the stop string that begins first; of two that begin there the longer."""
    found = [(place, -len(string), string) for string in strings if (place := text.find(string, start)) >= 0]
    if not found:
        return None
    place, _, string = min(found)
    return place, string


def _begun(text: str, strings: Sequence[str]) -> int:
    """How many characters at the text's end may be the beginning of a stop string."""
    longest = min(len(text), max(map(len, strings), default=1) - 1)
    return next((count for count in range(longest, 0, -1) if any(string.startswith(text[-count:]) for string in strings)), 0)
