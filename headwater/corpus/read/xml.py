"""Which elements does an XML file hold? In: a stream. Out: its tags and text one after the other, in little memory.

Read by expat without recursion. A file that declares entities is refused: a few hundred bytes of them can stand for gigabytes (the
"billion laughs"), and others name files of this machine.
"""

from __future__ import annotations

import xml.parsers.expat as expat
from collections.abc import Iterator
from typing import BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.open import AGAIN

CHUNK = 1 << 16
DEPTH = 1000
"""Elements within each other."""
Event = tuple[str, str, dict[str, str]]
"""`("start", name, attributes)`, `("end", name, {})` or `("text", characters, {})`; names without their namespace."""


class _RefusedError(Exception):
    """Why an XML file is not read on."""


def events(file: BinaryIO, where: str) -> Iterator[Event]:
    """Raises HeadwaterError where the file is no XML, breaks off, declares entities, or is nested beyond reason."""
    waiting: list[Event] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 20
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise _RefusedError(f"has elements nested more than {DEPTH:,} deep")
        waiting.append(("start", name.rpartition(":")[2], attributes))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        waiting.append(("end", name.rpartition(":")[2], {}))

    def declared(*_: object) -> None:
        raise _RefusedError("declares entities of its own, which can stand for gigabytes or for files of this machine")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: waiting.append(("text", text, {}))
    parser.EntityDeclHandler = declared
    try:
        while chunk := file.read(CHUNK):
            parser.Parse(chunk, False)
            yield from waiting
            waiting.clear()
        parser.Parse(b"", True)
        yield from waiting
    except expat.ExpatError as error:
        yield from waiting
        raise HeadwaterError(f"is no whole XML ({expat.ErrorString(error.code)})", where=f"{where}:{error.lineno}", mend=AGAIN) from None
    except _RefusedError as refused:
        yield from waiting
        raise HeadwaterError(str(refused), where=where, mend="leave it out") from None
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise HeadwaterError(f"is XML in an encoding that cannot be read ({error})", where=where, mend="convert it to UTF-8") from None


def texts_of(file: BinaryIO, where: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """`(name, attributes, text directly inside)` of every element, as they end; for small files."""
    open_elements: list[tuple[str, dict[str, str], list[str]]] = []
    for kind, word, attributes in events(file, where):
        if kind == "start":
            open_elements.append((word, attributes, []))
        elif kind == "text":
            if open_elements:
                open_elements[-1][2].append(word)
        else:
            name, given, texts = open_elements.pop()
            yield name, given, "".join(texts).strip()
