"""Kernels: which lines, paragraphs and windows has a text, and where? In: its UTF-8 bytes. Out: a 64-bit key and a byte offset each.

Equal keys are taken for equal pieces: of a billion different ones the chance that any two share a key is 3 %.

Windows of `length` bytes are far too many to be compared, one a byte. So first come *anchors*, windows of half the length, of which
the least in every stretch of `length` bytes is chosen (winnowing: Schleimer, Wilkerson, Aiken 2003), about one in 50 bytes at 200. What
stands twice has the same anchors twice, so that whole windows are needed only around anchors that do.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.duplicates.units import mix

BASE = np.uint64(0xA0761D6478BD642F)
NEWLINE = np.uint8(10)


@njit(cache=True, nogil=True, inline="always")
def _blank(byte: np.uint8) -> bool:
    return bool(byte == 32 or 9 <= byte <= 13)


@njit(cache=True, nogil=True)
def piece_keys(data: np.ndarray, offsets: np.ndarray, paragraphs: bool, min_length: int) -> tuple[np.ndarray, np.ndarray]:
    """`(keys, where)` of the lines or paragraphs of all texts that are long enough; `where` counts from `data[0]`."""
    keys, where = np.empty(1024, np.uint64), np.empty(1024, np.int64)
    count = 0
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            after = piece_end(data, at, end, paragraphs)
            first, last = at, after
            while first < last and _blank(data[first]):
                first += 1
            while last > first and _blank(data[last - 1]):
                last -= 1
            if last - first >= min_length:
                key = np.uint64(last - first)
                for place in range(first, last):
                    key = key * BASE + np.uint64(data[place]) + np.uint64(1)
                if count == len(keys):
                    keys, where = np.concatenate((keys, np.empty_like(keys))), np.concatenate((where, np.empty_like(where)))
                keys[count], where[count] = mix(key), at
                count += 1
            at = after
    return keys[:count], where[:count]


@njit(cache=True, nogil=True)
def piece_end(data: np.ndarray, at: int, end: int, paragraphs: bool) -> int:
    """The byte after a line and its newline; or after a paragraph and the blank lines that follow it."""
    ended = False
    while at < end:
        start = at
        while at < end and data[at] != NEWLINE:
            at += 1
        at = min(at + 1, end)
        if not paragraphs:
            return at
        blank = True
        for place in range(start, at):
            blank = blank and _blank(data[place])
        if ended and not blank:
            return start
        ended = ended or blank
    return end


@njit(cache=True, nogil=True)
def anchor_keys(data: np.ndarray, offsets: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """`(keys, where)` of the chosen windows of `length // 2` bytes. Of equal ones one stays while in reach, then comes the last.

    A choice that has an equal in reach is told twice: in a text that repeats itself within `length` bytes the same single
    anchor stands in both of two equal windows, and must not be taken for one that stands once.
    """
    width = length // 2
    reach = length - width + 1
    power = _power(width)
    keys, where = np.empty(1024, np.uint64), np.empty(1024, np.int64)
    recent = np.empty(reach, np.uint64)
    count = 0
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        if end - start < length:
            continue
        rolled = np.uint64(0)
        least, best, tied, told = np.uint64(0), start - 1, False, False
        for last in range(start, end):
            rolled = rolled * BASE + np.uint64(data[last]) + np.uint64(1)
            at = last - width + 1
            if at < start:
                continue
            if at > start:
                rolled -= (np.uint64(data[at - 1]) + np.uint64(1)) * power
            key = mix(rolled)
            recent[at % reach] = key
            chosen = best
            if best < start or key < least:
                least, best, tied, told = key, at, False, False
            elif best <= at - reach:
                best = at - reach + 1
                least, tied, told = recent[best % reach], False, False
                for other in range(best + 1, at + 1):
                    if recent[other % reach] <= least:
                        tied = recent[other % reach] == least
                        least, best = recent[other % reach], other
            elif key == least:
                tied = True
            full = at - start >= reach - 1
            times = int(full and (best != chosen or at - start == reach - 1)) + int(full and tied and not told)
            told = told or (full and tied)
            for _ in range(times):
                if count == len(keys):
                    keys, where = np.concatenate((keys, np.empty_like(keys))), np.concatenate((where, np.empty_like(where)))
                keys[count], where[count] = least, best
                count += 1
    return keys[:count], where[:count]


@njit(cache=True, nogil=True)
def window_keys(data: np.ndarray, offsets: np.ndarray, length: int, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(keys, where)` of the windows of `length` bytes that begin with a character and hold one of `anchors` (offsets, ascending)."""
    reach = length - length // 2
    power = _power(length)
    keys, where = np.empty(1024, np.uint64), np.empty(1024, np.int64)
    count, anchor = 0, 0
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        while anchor < len(anchors) and anchors[anchor] < start:
            anchor += 1
        at = start
        while anchor < len(anchors) and anchors[anchor] < end:
            first = max(at, anchors[anchor] - reach)
            stop = min(anchors[anchor], end - length) + 1
            anchor += 1
            # Anchors in reach of each other are one stretch.
            while anchor < len(anchors) and anchors[anchor] < end and anchors[anchor] - reach < stop:
                stop = min(anchors[anchor], end - length) + 1
                anchor += 1
            rolled = np.uint64(0)
            for place in range(first, min(first + length, end)):
                rolled = rolled * BASE + np.uint64(data[place]) + np.uint64(1)
            for at in range(first, stop):
                if data[at] & 0xC0 != 0x80:
                    if count == len(keys):
                        keys, where = np.concatenate((keys, np.empty_like(keys))), np.concatenate((where, np.empty_like(where)))
                    keys[count], where[count] = mix(rolled), at
                    count += 1
                if at + length < end:
                    rolled = rolled * BASE + np.uint64(data[at + length]) + np.uint64(1)
                    rolled -= (np.uint64(data[at]) + np.uint64(1)) * power
            at = max(at, stop)
    return keys[:count], where[:count]


@njit(cache=True, nogil=True)
def _power(width: int) -> np.uint64:
    power = np.uint64(1)
    for _ in range(width):
        power *= BASE
    return power


@njit(cache=True, nogil=True)
def joined(data: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """`(first, last)`: stretches that windows at `starts` (ascending) cover together, their ends at a character's end."""
    first, last = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    count = 0
    for start in starts:
        if count and start <= last[count - 1]:
            last[count - 1] = start + length
        else:
            first[count], last[count] = start, start + length
            count += 1
    for index in range(count):
        while last[index] < len(data) and data[last[index]] & 0xC0 == 0x80:
            last[index] -= 1
    return first[:count], last[:count]


@njit(cache=True, nogil=True)
def characters_before(data: np.ndarray, start: int, places: np.ndarray) -> np.ndarray:
    """int64: how many characters stand between byte `start` and each of `places` (ascending)."""
    counts = np.empty(len(places), np.int64)
    at, count = start, 0
    for index in range(len(places)):
        while at < places[index]:
            count += int(data[at] & 0xC0 != 0x80)
            at += 1
        counts[index] = count
    return counts
