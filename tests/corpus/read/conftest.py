"""Reading a file that was made on the spot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from headwater.corpus.document import Document
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.documents import read
from headwater.corpus.read.source import RawFile


@pytest.fixture
def documents() -> Callable[..., list[Document]]:
    """`documents(name, data, bad_rows, **fields of the source)`."""

    def documents_of(name: str, data: bytes | str, bad_rows: Counter[str] | None = None, **fields: Any) -> list[Document]:
        raw = RawFile(name, data.encode() if isinstance(data, str) else data, f"folder/{name}")
        return list(read(raw, PathSource(path="x", name="s", **fields), Counter() if bad_rows is None else bad_rows))

    return documents_of
