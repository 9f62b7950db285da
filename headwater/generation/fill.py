"""What stood where a text is masked? In: tokens with masks among them. Out: for each mask the likeliest tokens, with their probability.

Each mask is filled as if the others stayed masks, as the masked objective asks (Devlin et al. 2019, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from headwater.core.errors import HeadwaterError
from headwater.generation.reading import evaluating
from headwater.model.network import Network


@dataclass(frozen=True)
class Candidate:
    token: int
    probability: float


def fill(network: Network, ids: Sequence[int], mask_id: int, top_k: int = 5) -> list[list[Candidate]]:
    """`top_k` candidates for each mask, in the order of the text, likeliest first and among equals the lowest id.

    Raises HeadwaterError where there is no mask, and for a network that does not read both ways or predicts no tokens.
    """
    config = network.config
    if config.kind != "encoder" or config.head.kind not in ("mlm", "lm"):
        what = f"no masks are filled by a network of kind {config.kind} with a head of kind {config.head.kind}"
        raise HeadwaterError(what, where="model", mend="use an encoder with a head of kind mlm")
    places = [place for place, id in enumerate(ids) if id == mask_id]
    if not places:
        raise HeadwaterError("a text without a mask", where="ids", mend="put the mask token where a word is wanted")
    with evaluating(network):
        x_BTD = network.hidden(torch.tensor([list(ids)], device=network.device))
        logits_MV = network.head(x_BTD[0, places])
        probability_MV = logits_MV.double().softmax(dim=-1).cpu()
    best_MV = probability_MV.sort(dim=-1, descending=True, stable=True)
    return [
        [Candidate(int(token), float(share)) for share, token in zip(shares, tokens, strict=True)]
        for shares, tokens in zip(best_MV.values[:, :top_k], best_MV.indices[:, :top_k], strict=True)
    ]
