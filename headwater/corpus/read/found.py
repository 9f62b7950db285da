"""What is a reader given, and what does it find? A file as a stream; rows that become documents, bad rows, things passed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from headwater.core.errors import HeadwaterError

if TYPE_CHECKING:
    from headwater.corpus.read.pieces import Piece


@dataclass(frozen=True, slots=True)
class Input:
    """A plain file: the name that ids are made of, its bytes as a stream, its place in words, and the piece of it that is meant."""

    name: str
    file: BinaryIO
    where: str
    url: str | None = None
    piece: Piece | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`form`: what the text is written in, `text` or `html`; `utf8`: the text in bytes, where the reader has them."""

    text: str
    fields: dict[str, Any] = field(default_factory=dict)
    form: str = "text"
    utf8: bytes | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and the sentence about it: it ends the run or is counted, as the source says."""

    error: HeadwaterError


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that is passed over and counted in any case: why, in words (or not). `row`: it stands in the place of a row.

    `file`: it is a whole file, counted with its like in the source rather than by its name.
    """

    what: str = ""
    row: bool = False
    file: bool = False


Found = Row | BadRow | Passed
