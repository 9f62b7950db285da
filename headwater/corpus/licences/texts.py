"""Which licence's text is this? In: the text of a licence file. Out: an SPDX expression, or None.

A text is the set of its 5-word shingles after what differs from copy to copy is taken out (case, punctuation, lines of
copyright). The licence with the highest Jaccard similarity is it; where none is similar enough, the licences that the text
contains nearly whole are joined by AND (a file that holds several); a part of one licence is that licence. From a licence's
text alone nobody can tell `-only` from `-or-later`; the stricter is said, and headers (headers.py) say more.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

REFERENCES = Path(__file__).with_name("references.npz")
SHINGLE = 5
CONTAINED = 0.8
"""Share of a reference's shingles that a text must have to contain it."""
ENOUGH = 100
"""Shingles of a sample from which a text that is nearly whole in a reference (LGPL-3.0 without the GPL that it adds to) is taken for it."""
LACKS = {
    "0BSD": "provided that the above copyright notice",
    "MIT-0": "the above copyright notice and this permission notice shall be included",
    "BSD-1-Clause": "redistributions in binary form must",
    "BSD-2-Clause": "neither the name",
}
"""What a licence does not say that those around it do: a text that says so is not this one."""
LONGEST = 400_000
"""Characters that are looked at; the longest licence has 40,000."""
COPYRIGHT = re.compile(r"^[^\w\n(©]{0,40}(?:portions )?(?:copyright|\(c\)|©).*$", re.MULTILINE | re.IGNORECASE)
WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class References:
    ids: list[str]
    scales: list[int]
    """Of a long licence only hashes divisible by this are kept."""
    sketches: list[np.ndarray]
    """uint32, ascending."""


@lru_cache(maxsize=1)
def references() -> References:
    with np.load(REFERENCES, allow_pickle=False) as file:
        starts, hashes = file["starts"], file["hashes"]
        sketches = [hashes[start:end] for start, end in pairwise(starts)]
        return References(file["ids"].tolist(), file["scales"].tolist(), sketches)


def shingles(text: str) -> np.ndarray:
    """uint32, ascending: the hashes of a text's different shingles."""
    words = WORD.findall(COPYRIGHT.sub("", text[:LONGEST]).lower().replace("licence", "license"))
    grams = {" ".join(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))} if words else set()
    return np.unique(np.array([zlib.crc32(gram.encode()) for gram in grams], np.uint32))


def licence_of(text: str, similarity: float) -> str | None:
    """The SPDX expression of a licence text."""
    known, own = references(), shingles(text)
    plain = " ".join(WORD.findall(text[:LONGEST].lower()))
    samples = {scale: own[own % np.uint32(scale) == 0] for scale in set(known.scales)}
    best, most, around, widest, contained = None, 0.0, None, 0.0, []
    for place, (name, scale, sketch) in enumerate(zip(known.ids, known.scales, known.sketches, strict=True)):
        if name in LACKS and LACKS[name] in plain:
            continue
        shared = len(np.intersect1d(samples[scale], sketch, assume_unique=True))
        jaccard = shared / max(1, len(samples[scale]) + len(sketch) - shared)
        if jaccard > most:
            best, most = name, jaccard
        if len(samples[scale]) >= ENOUGH and shared > widest * len(samples[scale]):
            around, widest = name, shared / len(samples[scale])
        if shared >= CONTAINED * len(sketch) and len(sketch):
            contained.append(place)
    if best is not None and most >= similarity:
        return best
    whole = [known.ids[place] for place in contained if not any(_is_part(place, other) for other in contained)]
    return " AND ".join(whole) or (around if widest >= CONTAINED else None)


@lru_cache(maxsize=4096)
def _is_part(place: int, other: int) -> bool:
    """Is one licence's text contained in another's (BSD-2-Clause in BSD-3-Clause)? Of two that contain each other the first stays."""
    known = references()
    if place == other:
        return False
    scale = max(known.scales[place], known.scales[other])
    one, two = (known.sketches[each][known.sketches[each] % np.uint32(scale) == 0] for each in (place, other))
    shared = len(np.intersect1d(one, two, assume_unique=True))
    inside, around = shared >= 0.7 * len(one), shared >= 0.7 * len(two)
    return inside and (not around or other < place)
