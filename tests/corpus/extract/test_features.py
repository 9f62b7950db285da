"""headwater/corpus/extract/features.py: measures of a page whose answers are known."""

from __future__ import annotations

import time

import numpy as np

from headwater.corpus.extract.features import NAMES, features
from headwater.corpus.extract.page import parsed

PAGE = b"""<body><nav><a href=1>Home</a> <a href=2>News</a></nav><div class="sidebar"><p>short</p></div>
<article><h1>A title</h1><div class="entry-content"><p>One sentence is here, and it is long enough to be taken for a piece of prose.</p>
<p>Another sentence follows it, so that there is something that can be counted in here.</p></div></article></body>"""


def column(name: str) -> list[float]:
    found: list[float] = features(parsed(PAGE))[:, NAMES.index(name)].round(3).tolist()
    return found


def test_names_and_columns() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert features(parsed(PAGE)).shape == (5, len(NAMES))
    assert features(parsed(b"")).shape == (0, len(NAMES))


def test_known_answers() -> None:
    assert column("link_share") == [1, 0, 0, 0, 0]
    assert column("own_h1") == [0, 0, 1, 0, 0]
    assert column("open_nav") == [1, 0, 0, 0, 0]
    assert column("near_sidebar") == [0, 1, 0, 0, 0]
    assert column("any_body") == [0, 0, 0, 1, 1]
    assert column("in_best") == [0, 0, 0, 1, 1]
    assert column("in_article") == [0, 0, 1, 1, 1]
    assert column("after_h1") == [-2, -1, 0, 1, 2]
    assert np.isfinite(features(parsed(PAGE))).all()


def test_time_is_linear_in_depth_and_blocks() -> None:
    features(parsed(PAGE))
    deep = parsed(b"<div>" * 400 + b"<p>x</p><i>y</i>" * 30_000)
    started = time.process_time()
    assert np.isfinite(features(deep)).all()
    assert time.process_time() - started < 3
