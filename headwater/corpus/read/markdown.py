"""What does a Markdown file say? In: the file. Out: its text as it stands, with the front matter in its fields.

Front matter (Jekyll, Hugo, Pandoc) is YAML between lines of `---`, or TOML between lines of `+++`, at the very top; what looks like
one and is none stays in the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import Found, Input, Row
from headwater.corpus.read.lines import whole
from headwater.corpus.read.rows import parse_yaml, plain

LARGEST = 64 << 20
FRONT = re.compile(r"(---|\+\+\+)[ \t]*\r?\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
LONGEST_FRONT = 1 << 16


def markdown(given: Input, source: Reading) -> Iterator[Found]:
    text = decode(whole(given.file, given.where, LARGEST), given.where)
    fields, body = front_matter(text)
    yield Row(body, fields)


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """`(fields, text after them)`; the date is called `created`, as elsewhere."""
    found = FRONT.match(text, 0, LONGEST_FRONT)
    if found is None:
        return {}, text
    try:
        value = tomllib.loads(found.group(2)) if found.group(1) == "+++" else parse_yaml(found.group(2).encode() or b" ", "")
    except (HeadwaterError, tomllib.TOMLDecodeError, RecursionError):
        return {}, text
    if not isinstance(value, dict):
        return {}, text
    fields = {str(key): plain(inner) for key, inner in value.items()}
    if "date" in fields and "created" not in fields:
        fields["created"] = str(fields.pop("date"))
    return fields, text[found.end() :]
