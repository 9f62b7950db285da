"""How likely is each block part of what somebody would read? In: a scanned page. Out: a probability a block, float32 [B].

Two small forests of boosted trees (Friedman 2001): the first sees each block's own measures, the second also what the first said of
the neighbours and of the elements around, so that a heading goes with its paragraphs. They were trained by
`benchmarks/_extract_train.py` on half of trafilatura's evaluation pages; the trees lie beside this file in `blocks.npz`.

Legend: B blocks, F measures, T trees, N nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract.blocks import ELEMENT, FIRST, PARENT, STOP
from headwater.corpus.extract.features import features, letters_of
from headwater.corpus.extract.scan import Scanned

FILE = Path(__file__).with_name("blocks.npz")
DIGEST = "aa2a335f0e706475"
"""First 16 digits of the file's SHA-256: with other trees this module is another one, too, and so is what a stage makes with it."""
AROUND = 6
LEVELS = 3
SMOOTH = 1 + 6 + 6 + 5 + 2 * LEVELS
"""Columns that the second forest sees besides those of the first."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees in one array each. A node's children stand side by side; a leaf is its own left child and its threshold is infinite, so
    that every walk takes the same number of steps and needs no branch."""

    roots: np.ndarray
    """int32 [T]"""
    steps: np.ndarray
    """int32 [T]: how deep each tree is."""
    feature: np.ndarray
    """int16 [N]"""
    threshold: np.ndarray
    """float32 [N]: to the left child if the measure is at most this."""
    left: np.ndarray
    """int32 [N]"""
    value: np.ndarray
    """float32 [N]: what a leaf adds."""

    def __call__(self, x_BF: np.ndarray) -> np.ndarray:
        found: np.ndarray = _vote(x_BF, self.roots, self.steps, self.feature, self.threshold, self.left, self.value)
        return found


@cache
def forests() -> tuple[Forest, Forest, float]:
    """The first forest, the second, and the least probability of a block that is kept."""
    with np.load(FILE, allow_pickle=False) as file:
        first, second = (Forest(*(unsigned(file[f"{field.name}{number}"]) for field in fields(Forest))) for number in (1, 2))
        return first, second, float(file["cut"])


def unsigned(column: np.ndarray) -> np.ndarray:
    """Whole numbers as uint32: compiled code then need not ask whether an index counts from the end."""
    return column.astype(np.uint32) if column.dtype.kind == "i" else column


def probabilities(page: Scanned) -> np.ndarray:
    """float32 [B]"""
    first, second, _ = forests()
    x_BF = features(page)
    return second(np.concatenate([x_BF, smoothed(page, first(x_BF))], axis=1))


def smoothed(page: Scanned, p_B: np.ndarray) -> np.ndarray:
    """float32 [B, SMOOTH]: the first forest's opinion, seen from each block."""
    found: np.ndarray = _smoothed(page.elements, page.blocks, p_B)
    return found


@njit
def _vote(
    x_BF: np.ndarray, roots: np.ndarray, steps: np.ndarray, feature: np.ndarray, threshold: np.ndarray, left: np.ndarray, value: np.ndarray
) -> np.ndarray:
    B = len(x_BF)
    total_B = np.zeros(B)
    for tree in range(len(roots)):  # tree by tree: a tree fits into the cache
        # Four walks at a time: each waits for memory at every step, and the processor fills the time with the others.
        for b in range(0, B, 4):
            b1, b2, b3 = min(b + 1, B - 1), min(b + 2, B - 1), min(b + 3, B - 1)
            n0 = n1 = n2 = n3 = roots[tree]
            for _ in range(steps[tree]):
                n0 = left[n0] + np.uint32(x_BF[b, feature[n0]] > threshold[n0])
                n1 = left[n1] + np.uint32(x_BF[b1, feature[n1]] > threshold[n1])
                n2 = left[n2] + np.uint32(x_BF[b2, feature[n2]] > threshold[n2])
                n3 = left[n3] + np.uint32(x_BF[b3, feature[n3]] > threshold[n3])
            total_B[b] += value[n0]
            if b + 1 < B:
                total_B[b + 1] += value[n1]
            if b + 2 < B:
                total_B[b + 2] += value[n2]
            if b + 3 < B:
                total_B[b + 3] += value[n3]
    return (1 / (1 + np.exp(-total_B))).astype(np.float32)


@njit
def _smoothed(elements: np.ndarray, blocks: np.ndarray, p_B: np.ndarray) -> np.ndarray:
    B = len(blocks)
    out = np.zeros((B, SMOOTH), np.float32)
    sums, weights, kept = np.zeros(B + 1, np.float64), np.zeros(B + 1, np.float64), np.zeros(B + 1, np.float64)
    most = np.float32(0)
    for b in range(B):
        weight = min(float(letters_of(blocks[b])), 400.0) + 1
        weights[b + 1] = weights[b] + weight
        sums[b + 1] = sums[b] + weight * p_B[b]
        kept[b + 1] = kept[b] + (weight if p_B[b] > 0.4 else 0)
        most = max(most, p_B[b])
    for b in range(B):
        row = out[b]
        row[0] = p_B[b]
        for step in range(1, 4):
            row[step] = p_B[b - step] if b >= step else 0
            row[3 + step] = p_B[b + step] if b + step < B else 0
        at = 7
        for reach in (AROUND // 2, AROUND):
            low, high = max(0, b - reach), min(B, b + reach + 1)
            before = (sums[b] - sums[low], weights[b] - weights[low])
            after = (sums[high] - sums[b + 1], weights[high] - weights[b + 1])
            row[at] = (before[0] + after[0]) / (before[1] + after[1] + 1e-6)
            row[at + 1] = before[0] / (before[1] + 1e-6)
            row[at + 2] = after[0] / (after[1] + 1e-6)
            at += 3
        row[at] = kept[b + 1]
        row[at + 1] = kept[B] - kept[b + 1]
        row[at + 2] = kept[b + 1] / max(1, kept[B])
        row[at + 3] = sums[B]
        row[at + 4] = most
        at += 5
        up = blocks[b, ELEMENT]
        for _ in range(LEVELS):
            held = elements[up, STOP] - elements[up, FIRST]
            for _climb in range(12):
                if up <= 0 or elements[up, STOP] - elements[up, FIRST] != held:
                    break
                up = max(0, elements[up, PARENT])
            first, last = elements[up, FIRST], elements[up, STOP]
            own = weights[b + 1] - weights[b]
            held_sum, held_weight = sums[last] - sums[first], weights[last] - weights[first]
            row[at] = (held_sum - own * p_B[b]) / (held_weight - own + 1)
            row[at + 1] = np.log1p(held_sum)
            at += 2
    return out
