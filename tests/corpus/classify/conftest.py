"""Documents with a planted difference: what is good is known, and no detector of ours made it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pytest

from headwater.corpus.document import Document, batches

COMMON = "river stone light water bridge song winter garden letter window harbour silver road field".split()  # noqa: SIM905
FINE = "therefore although gentle reason silence memory wonder".split()  # noqa: SIM905
CHEAP = "click buy cheap free winner casino discount".split()  # noqa: SIM905
HAN, FINE_HAN, CHEAP_HAN = "山水风云日月江河花草树木春夏秋冬", "仁义礼智信道德", "促销抢购免费中奖"


class Memory:
    """What Annotated is to the classifier: batches of documents."""

    def __init__(self, documents: Sequence[Document], rows: int = 64) -> None:
        self.parts = [part for start in range(0, len(documents), rows) for part in batches(documents[start : start + rows])]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        place = 0
        for part in self.parts:
            yield place, part if columns is None else part.select(columns)
            place += part.num_rows


def planted(count: int, seed: int, share: float = 0.25, chinese: bool = False) -> list[Document]:
    """`count` good and `count` raw documents: in each a share of words is drawn from its side's own."""
    draw = random.Random(seed)
    common, fine, cheap = (HAN, FINE_HAN, CHEAP_HAN) if chinese else (COMMON, FINE, CHEAP)
    documents = []
    for number in range(2 * count):
        own, source = (fine, "books") if number % 2 else (cheap, "web")
        words = [draw.choice(own) if draw.random() < share else draw.choice(common) for _ in range(draw.randint(20, 60))]
        text = "".join(words) if chinese else " ".join(words)
        documents.append(Document(f"{source}/{seed}-{number}", text, source, language="zh" if chinese else "en"))
    return documents


@pytest.fixture(scope="session")
def plant() -> Callable[..., list[Document]]:
    return planted


@pytest.fixture(scope="session")
def memory() -> type[Memory]:
    return Memory
