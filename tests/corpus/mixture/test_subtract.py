"""Exactly the planted overlaps are found, by each key, and by nothing that has none."""

import numpy as np
import pyarrow as pa
import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.mixture.config import Subtract
from headwater.corpus.mixture.subtract import matches

SOURCES = pa.chunked_array([["web", "wiki", "web"], ["books", "web", "wiki", "web"]])


def subtract(by: str, **config: object) -> Subtract:
    return validate(Subtract, {"of": "web", "minus": "wiki", "by": by, **config})


def test_by_page() -> None:
    urls = pa.array(
        ["http://www.w.org/Milk", "https://w.org/Milk/", "http://w.org/Tea", "http://w.org/Milk", None, None, "http://w.org/Milk?utm_x=1"]
    )
    found = matches(subtract("url"), SOURCES, urls=urls)
    assert found.dtype == np.int64
    assert found.tolist() == [1, -1, -1, -1, -1, -1, 1]  # the book shares the page and stays; no address matches no address


def test_by_site() -> None:
    urls = pa.array(["http://m.w.co.uk/a", "https://w.co.uk/b", "http://v.co.uk/a", None, "x", "file.txt", "http://w.co.uk"])
    assert matches(subtract("domain"), SOURCES, urls=urls).tolist() == [1, -1, -1, -1, -1, -1, 1]


def test_by_text() -> None:
    digests = pa.array([b"a", b"b", b"b", b"b", b"c", b"b", b"b"], pa.binary())
    assert matches(subtract("exact"), SOURCES, digests=digests).tolist() == [-1, -1, 1, -1, -1, -1, 1]


def test_by_group() -> None:
    groups = np.array([-1, -1, 5, 5, 7, 7, -1], np.int32)
    assert matches(subtract("near"), SOURCES, groups=groups).tolist() == [-1, -1, -1, -1, 5, -1, -1]


def test_several_sources_on_both_sides() -> None:
    groups = np.array([1, 1, 2, 2, 2, 3, 3])
    config = subtract("near", of=["web", "wiki"], minus=["books"])
    assert matches(config, SOURCES, groups=groups).tolist() == [-1, -1, 3, -1, 3, -1, -1]


def test_a_hundred_thousand_rows_agree_with_a_dictionary() -> None:
    draw = np.random.default_rng(3)
    keys, of = draw.integers(-1, 50_000, 100_000), draw.integers(0, 3, 100_000)
    names = pa.array(np.array(["web", "wiki", "books"])[of])
    found = matches(subtract("near"), names, groups=keys)
    first: dict[int, int] = {}
    for place in np.flatnonzero((of == 1) & (keys >= 0)).tolist():
        first.setdefault(int(keys[place]), place)
    assert found.tolist() == [first.get(int(key), -1) if who == 0 else -1 for key, who in zip(keys, of, strict=True)]


def test_an_unknown_source_is_said() -> None:
    with pytest.raises(HeadwaterError, match=r"corpus\.subtract\.minus: there is no source 'wikis'; did you mean 'wiki'"):
        matches(subtract("near", minus="wikis"), SOURCES, groups=np.zeros(7))
