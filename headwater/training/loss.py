"""The loss of every objective that predicts tokens: cross-entropy, counted by the batch's weights.

Legend: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from headwater.model.network import Network
from headwater.tokens.batch import Batch


def token_loss(network: Network, batch: Batch) -> torch.Tensor:
    """Sum over the batch of weight · −log p(target), in nats; the loop divides by the weight of the *whole* batch."""
    logits_BTV = network(batch.tokens_BT, positions_BT=batch.positions_BT, segments_BT=batch.segments_BT, mask=batch.mask)
    nats_N = functional.cross_entropy(logits_BTV.flatten(0, 1).float(), batch.targets_BT.flatten(), reduction="none")
    return (nats_N * batch.weights_BT.flatten()).sum()
