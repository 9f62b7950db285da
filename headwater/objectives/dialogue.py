"""Supervised fine-tuning: learn what the assistant says, given what was said before (Ouyang et al. 2022, §3.5).

Dialogues of different lengths are packed into rows; a dialogue sees only itself, counts its positions from 0, and gives
loss only where its weights say so. Packing changes no dialogue's loss.

Legend: B rows, T positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, documents

Encoded = tuple[Sequence[int], Sequence[float]]  # ids of a dialogue, and the weight of each as a target


def pack(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which items share a row of `room` places: first-fit in the given order. Each length must be at most `room`."""
    rows: list[list[int]] = []
    free: list[int] = []
    for item, length in enumerate(lengths):
        assert length <= room, "an item is longer than a row"
        row = next((row for row, left in enumerate(free) if left >= length), len(rows))
        if row == len(rows):
            rows.append([])
            free.append(room)
        rows[row].append(item)
        free[row] -= length
    return rows


def dialogue_rows(rows: Sequence[Sequence[Encoded]], length: int, pad: int) -> Batch:
    """`rows[b]` are the dialogues of row b; one of n ids takes n - 1 of the row's `length` places, since a target is one ahead."""
    shape = (len(rows), length)
    tokens, targets = np.full(shape, pad, np.int64), np.full(shape, pad, np.int64)
    weights, positions, segments = np.zeros(shape, np.float32), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, dialogues in enumerate(rows):
        start = 0
        for number, (ids, learned) in enumerate(dialogues, start=1):
            stop = start + len(ids) - 1
            tokens[row, start:stop], targets[row, start:stop] = ids[:-1], ids[1:]
            weights[row, start:stop] = learned[1:]
            positions[row, start:stop] = np.arange(stop - start)
            segments[row, start:stop] = number
            start = stop
    inputs = Inputs(torch.from_numpy(tokens), torch.from_numpy(positions), torch.from_numpy(segments), causal() & documents())
    return Batch(inputs, torch.from_numpy(targets), torch.from_numpy(weights))
