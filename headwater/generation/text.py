"""When may a token be printed? As soon as it completes a character: byte-level tokens split Chinese characters and emoji.

In: token ids as they come. Out: pieces of text that, joined, are the text of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headwater.tokens.tokenizer import Tokenizer

UNKNOWN = "\ufffd"  # what decoding puts for bytes that are no character, or not yet one
PENDING = 3  # a UTF-8 character has at most 4 bytes, so at most 3 wait for another


def text_stream(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """Printable pieces. Bytes that never become a character come out as U+FFFD, as soon as that is sure."""
    stream = TextStream(tokenizer)
    for id in ids:
        if piece := stream.add(id):
            yield piece
    if rest := stream.close():
        yield rest


class TextStream:
    """The same for one who gets his tokens one by one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.waiting: list[int] = []  # the last token shown whole, since some kinds put a space between two, and those after it
        self.shown = 0  # characters of their text that are out already

    def add(self, id: int) -> str:
        """What this token makes sure, often nothing."""
        self.waiting.append(id)
        text = self.tokenizer.decode(self.waiting)
        sure, shown = _sure(text), self.shown
        self.shown = max(sure, shown)
        if sure == len(text):
            last = self.tokenizer.decode([id])
            whole = UNKNOWN not in last  # the last bytes of a character say nothing alone
            self.waiting, self.shown = ([id], len(last)) if whole else ([], 0)
        return text[shown:sure]

    def close(self) -> str:
        """What waits, when no token comes any more."""
        return self.tokenizer.decode(self.waiting)[self.shown :]


def _sure(text: str) -> int:
    """How many leading characters no later byte can change."""
    unknown = len(text) - len(text.rstrip(UNKNOWN))
    return len(text) - min(unknown, PENDING)
