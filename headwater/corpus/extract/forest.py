"""How likely is each block part of what somebody would read? In: a scanned page. Out: a probability a block, float32 [B].

Two small forests of boosted trees (Friedman 2001): the first sees each block's own measures, the second also what the first said of
the neighbours and of the elements around, so that a heading goes with its paragraphs. They were trained by
`benchmarks/_extract_train.py` on half of trafilatura's evaluation pages; the trees lie beside this file in `blocks.npz`.

Legend: B blocks, F measures, U measures in use, L lanes, T trees, Q questions.
"""

from __future__ import annotations

from dataclasses import dataclass
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
LEAVES = 16
"""Of one tree, at most."""
LANES = 64
"""Blocks that are asked at once."""
SMOOTH = 1 + 6 + 6 + 5 + 2 * LEVELS
"""Columns that the second forest sees besides those of the first."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees as questions, one tree after the other (QuickScorer: Lucchese et al. 2015).

    A question is a measure and a threshold; a yes rules out the leaves on its left. When all questions of a tree are answered, the
    first leaf that is still possible is the one where a walk from the root would end. Nothing depends on an answer, so that the
    processor asks LANES blocks at once.
    """

    used: np.ndarray
    """uint32: the measures that some question is about."""
    feature: np.ndarray
    """uint32 [Q]: place in `used`."""
    threshold: np.ndarray
    """float32 [Q]: yes, if the measure is above this."""
    left: np.ndarray
    """uint32 [Q]: a bit for each leaf that a yes leaves possible."""
    starts: np.ndarray
    """uint32 [T + 1]: first question of each tree."""
    value: np.ndarray
    """float32 [T * LEAVES]: what a leaf adds; that of leaf n stands at `_slot` of its bit."""

    def __call__(self, x_BF: np.ndarray) -> np.ndarray:
        found: np.ndarray = _vote(x_BF, self.used, self.feature, self.threshold, self.left, self.starts, self.value)
        return found


@cache
def forests() -> tuple[Forest, Forest, float]:
    """The first forest, the second, and the least probability of a block that is kept."""
    with np.load(FILE, allow_pickle=False) as file:
        trees = [{name: file[f"{name}{number}"] for name in ("roots", "feature", "threshold", "left", "value")} for number in (1, 2)]
        return _forest(**trees[0]), _forest(**trees[1]), float(file["cut"])


def _forest(roots: np.ndarray, feature: np.ndarray, threshold: np.ndarray, left: np.ndarray, value: np.ndarray) -> Forest:
    """From trees as the file has them: the children of a node stand side by side, a leaf is its own left child."""
    asked: list[tuple[int, float, int]] = []
    starts, values = [0], np.zeros((len(roots), LEAVES), np.float32)

    def leaves_below(node: int, tree: int, leaves: list[int]) -> int:
        """The bits of the leaves below a node, which are numbered from left to right."""
        child = int(left[node])
        if child == node:
            leaves.append(node)
            bit = 1 << (len(leaves) - 1)
            values[tree, _slot(np.uint32(bit))] = value[node]
            return bit
        lower, upper = leaves_below(child, tree, leaves), leaves_below(child + 1, tree, leaves)
        asked.append((int(feature[node]), float(threshold[node]), (1 << LEAVES) - 1 & ~lower))
        return lower | upper

    for tree, root in enumerate(roots.tolist()):
        bits = leaves_below(root, tree, [])
        assert bits < 1 << LEAVES, "a tree of more leaves than LEAVES"
        starts.append(len(asked))
    features, thresholds, possible = zip(*asked, strict=True)
    used = np.unique(features)
    return Forest(
        used.astype(np.uint32),
        np.searchsorted(used, features).astype(np.uint32),
        np.array(thresholds, np.float32),
        np.array(possible, np.uint32),
        np.array(starts, np.uint32),
        values.ravel(),
    )


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
def _slot(bit: np.uint32) -> np.uint32:
    """A different number below LEAVES for each power of two below 1 << LEAVES (a de Bruijn sequence: Leiserson et al. 1998)."""
    return np.uint32((np.uint32(bit * np.uint32(0x09AF)) & np.uint32(0xFFFF)) >> np.uint32(12))


@njit
def _vote(
    x_BF: np.ndarray, used: np.ndarray, feature: np.ndarray, threshold: np.ndarray, left: np.ndarray, starts: np.ndarray, value: np.ndarray
) -> np.ndarray:
    B = len(x_BF)
    p_B = np.empty(B, np.float32)
    x_UL, possible_L, total_L = np.zeros(len(used) * LANES, np.float32), np.zeros(LANES, np.uint32), np.zeros(LANES)
    for first in range(0, B, LANES):
        count = min(LANES, B - first)
        _take(x_BF, first, count, used, x_UL)
        total_L[:] = 0
        _add_trees(x_UL, feature, threshold, left, starts, value, possible_L, total_L)
        for lane in range(count):
            p_B[first + lane] = 1 / (1 + np.exp(-total_L[lane]))
    return p_B


@njit(inline="never")
def _take(x_BF: np.ndarray, first: int, count: int, used: np.ndarray, x_UL: np.ndarray) -> None:
    """The measures of some blocks, those of one kind side by side."""
    for lane in range(count):
        for place in range(len(used)):
            x_UL[place * LANES + lane] = x_BF[first + lane, used[place]]


@njit(inline="never")
def _add_trees(x_UL: np.ndarray, feature: np.ndarray, threshold: np.ndarray, left: np.ndarray, starts: np.ndarray, value: np.ndarray,
               possible_L: np.ndarray, total_L: np.ndarray) -> None:  # fmt: skip
    """The loops over lanes are what the compiler turns into vectors: with flat arrays, and with so many lanes that it does not unroll."""
    for tree in range(len(starts) - 1):
        for lane in range(LANES):
            possible_L[lane] = np.uint32((1 << LEAVES) - 1)
        for question in range(starts[tree], starts[tree + 1]):
            at, least, leaves = np.int64(feature[question]) * LANES, threshold[question], left[question]
            for lane in range(LANES):
                possible_L[lane] = possible_L[lane] & leaves if x_UL[at + lane] > least else possible_L[lane]
        for lane in range(LANES):
            leaves = possible_L[lane]
            total_L[lane] += value[tree * LEAVES + _slot(leaves & (~leaves + np.uint32(1)))]


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
