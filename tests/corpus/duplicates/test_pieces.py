"""headwater/corpus/duplicates/pieces.py: lines, paragraphs, anchors and windows against plain Python."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates.pieces import anchor_keys, characters_before, joined, piece_keys, window_keys


def buffers(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    raw = [text.encode() for text in texts]
    return np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)]).astype(np.int64)


def by_hand(text: str, paragraphs: bool) -> list[str]:
    """Lines with their newlines; for paragraphs a line that follows a blank one, and is none, begins a new piece."""
    pieces: list[str] = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if paragraphs and pieces and not (line.strip() and not pieces[-1].split("\n")[-2].strip()):
            pieces[-1] += line
        else:
            pieces.append(line)
    return pieces


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab 好\n\r\t", max_size=40), min_size=1, max_size=3), st.booleans(), st.integers(1, 4))
def test_lines_and_paragraphs(texts: list[str], paragraphs: bool, least: int) -> None:
    data, offsets = buffers(texts)
    keys, where = piece_keys(data, offsets, paragraphs, least)
    pieces = []
    for text, start in zip(texts, offsets.tolist(), strict=False):
        for number, piece in enumerate(lines := by_hand(text, paragraphs)):
            stripped = piece.strip(" \n\r\t").encode()
            if len(stripped) >= least:
                pieces.append((start + len("".join(lines[:number]).encode()), stripped))
    assert where.tolist() == [at for at, _ in pieces]
    assert len({*keys.tolist()}) == len({piece for _, piece in pieces})
    assert len({*zip(keys.tolist(), (piece for _, piece in pieces), strict=True)}) == len({*keys.tolist()})


PERIODIC = st.text(alphabet="ab好", max_size=120) | st.text(alphabet="ab", min_size=1, max_size=6).map(lambda text: text * 20)


@settings(deadline=None)
@given(st.lists(PERIODIC, min_size=1, max_size=3), st.sampled_from([8, 11, 20]))
def test_every_window_has_an_anchor_and_equal_windows_share_one(texts: list[str], length: int) -> None:
    """And the anchor that two equal windows share is told more than once, even if they overlap and it is the same one."""
    data, offsets = buffers(texts)
    keys, where = anchor_keys(data, offsets, length)
    assert (np.diff(where) >= 0).all()
    times = Counter(keys.tolist())
    key_at = dict(zip(where.tolist(), keys.tolist(), strict=True))
    seen: dict[bytes, set[int]] = {}
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        for at in range(start, end - length + 1):
            inside = {key_at[place] for place in range(at, at + length - length // 2 + 1) if place in key_at}
            assert inside
            window = data[at : at + length].tobytes()
            if window in seen:
                assert any(times[key] > 1 for key in seen[window] & inside)
            seen[window] = seen.get(window, inside) & inside
    assert all(seen.values())


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab好", max_size=60), min_size=1, max_size=3), st.sampled_from([8, 11]), st.sets(st.integers(0, 300)))
def test_windows_around_anchors(texts: list[str], length: int, chosen: set[int]) -> None:
    data, offsets = buffers(texts)
    anchors = np.array(sorted(place for place in chosen if place < len(data)), np.int64)
    keys, where = window_keys(data, offsets, length, anchors)
    expected = []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        mine = [anchor for anchor in anchors.tolist() if start <= anchor < end]
        for at in range(start, end - length + 1):
            if data[at] & 0xC0 != 0x80 and any(at <= anchor <= at + length - length // 2 for anchor in mine):
                expected.append(at)
    assert where.tolist() == expected
    windows = [data[at : at + length].tobytes() for at in expected]
    assert len({*zip(keys.tolist(), windows, strict=True)}) == len({*keys.tolist()}) == len({*windows})


@pytest.mark.parametrize("text", ["a" * 10_000, "ab" * 5_000])
def test_a_text_of_one_sign_has_few_anchors(text: str) -> None:
    assert len(anchor_keys(*buffers([text]), 200)[0]) <= 2 * len(text) // 90


def test_joined_windows_end_with_a_character() -> None:
    data = np.frombuffer("天地玄黄abcd".encode(), np.uint8)
    first, last = joined(data, np.array([0, 3, 12]), 4)
    assert (first.tolist(), last.tolist()) == ([0, 12], [6, 16])
    first, last = joined(data, np.array([0, 6]), 4)
    assert (first.tolist(), last.tolist()) == ([0, 6], [3, 9])
    assert characters_before(data, 0, np.array([0, 6, 12, 16])).tolist() == [0, 2, 4, 8]
