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
    waiting: list[int] = []
    shown = 0  # characters of the waiting tokens' text that are out already
    for id in ids:
        waiting.append(id)
        text = tokenizer.decode(waiting)
        sure = _sure(text)
        if sure > shown:
            yield text[shown:sure]
            shown = sure
        if sure == len(text):
            waiting, shown = [], 0
    if rest := tokenizer.decode(waiting)[shown:]:
        yield rest


def _sure(text: str) -> int:
    """How many leading characters no later byte can change."""
    unknown = len(text) - len(text.rstrip(UNKNOWN))
    return len(text) - min(unknown, PENDING)
