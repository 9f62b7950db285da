"""What hangs together? In: pairs of documents. Out: for each document the least place of its group.

Union-find over one array of int64, with path halving; the least place is the root, so the order of the pairs leaves no trace.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit


def alone(count: int) -> np.ndarray:
    """int64 [N]: each document is a group of its own."""
    return np.arange(count, dtype=np.int64)


@njit(cache=True, nogil=True)
def root(parent: np.ndarray, place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


@njit(cache=True, nogil=True)
def join(parent: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Make one group of the groups of each pair."""
    for index in range(len(left)):
        a, b = root(parent, left[index]), root(parent, right[index])
        parent[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True)
def roots(parent: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The least place of the group of each of `places`."""
    found = np.empty(len(places), np.int64)
    for index in range(len(places)):
        found[index] = root(parent, places[index])
    return found


@njit(cache=True, nogil=True)
def flatten(parent: np.ndarray) -> None:
    """Afterwards `parent[place]` is the least place of the group itself."""
    for place in range(len(parent)):
        parent[place] = parent[parent[place]]  # a parent is never greater than its child, so it is flat already


@njit(cache=True, nogil=True)
def strengthen(strongest: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: np.ndarray) -> None:
    """float32 [N]: the similarity of the strongest link that ties a document to another."""
    for index in range(len(left)):
        strongest[left[index]] = max(strongest[left[index]], similarity[index])
        strongest[right[index]] = max(strongest[right[index]], similarity[index])
