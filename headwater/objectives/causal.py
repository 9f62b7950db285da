"""Causal language modelling: predict each token from those before it (Bengio et al. 2003; Radford et al. 2018).

    rows of T + 1 tokens  ->  Batch of B rows, T positions, every target learned

Legend: B rows, T positions.
"""

from __future__ import annotations

import numpy as np
import torch

from headwater.tokens.batch import Batch
from headwater.tokens.masks import causal, documents


def causal_rows(rows: np.ndarray, end: int, across_documents: bool) -> Batch:
    """`rows` is [B, T + 1] ids. With `across_documents` a token may see earlier documents of its row (as GPT-3's did);
    without, positions start anew and attention stops at each `end` token.
    """
    tokens_BS = torch.from_numpy(rows.astype(np.int64))
    tokens_BT, targets_BT = tokens_BS[:, :-1].contiguous(), tokens_BS[:, 1:].contiguous()
    weights_BT = torch.ones(tokens_BT.shape)
    places_T = torch.arange(tokens_BT.shape[1])
    if across_documents:
        return Batch(tokens_BT, targets_BT, weights_BT, places_T.expand_as(tokens_BT), None, causal())
    # A document begins at the end token that closes the one before it.
    begins_BT = tokens_BT == end
    segments_BT = begins_BT.long().cumsum(1)
    start_BT = torch.where(begins_BT, places_T, 0).cummax(1).values
    return Batch(tokens_BT, targets_BT, weights_BT, places_T - start_BT, segments_BT, causal() & documents())
