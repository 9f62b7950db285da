"""Which examples do the evaluation sets hold? In: the config. Out: `Example(set, id, texts)`, in the order of sets, files and rows.

Read with the readers of the corpus, so that any task file that could be a source can be a set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.read.documents import KNOWN, read
from headwater.corpus.read.source import files_of


@dataclass(frozen=True, slots=True)
class Example:
    set: int
    """Number of its set in the config."""
    id: str
    texts: tuple[str, ...]
    """One of each field that it has."""


def examples_of(config: Contamination, report: Reporter | None = None) -> Iterator[Example]:
    """Raises HeadwaterError for what is wrong with a set, and for one without examples."""
    for number, each in enumerate(config.sets):
        source = each.model_copy(update={"text_field": each.fields[0].partition(".")[0]})
        some = False
        for file in files_of(source, report):
            for document in read(file, source, Counter()):
                fields = {**document.meta, **{name: getattr(document, name) for name in KNOWN}, source.text_field: document.text}
                texts = tuple(text for name in each.fields if (text := _text_at(fields, name)).strip())
                name = document.meta.get(each.id_field)
                some = some or bool(texts)
                yield Example(number, str(name) if isinstance(name, str | int) else document.id.removeprefix(f"{source.label}/"), texts)
        if not some:
            raise HeadwaterError(f"no row of the evaluation set has text in {each.fields}", where=f"contamination set '{each.label}'",
                                 mend="name its keys in `fields:`")  # fmt: skip


def _text_at(fields: dict[str, Any], name: str) -> str:
    """The text at `a.b`; numbers are written out, lists joined, what is missing is empty."""
    value: Any = fields
    for key in [name] if name in fields else name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, list):
        return " ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict) else str(value)
