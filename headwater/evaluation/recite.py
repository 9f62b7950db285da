"""How much of a text can a model recite? In: a model and a text. Out: a share from 0 to 1.

The model is given the first tokens of the text and goes on greedily; what counts is how far it says the very tokens that follow before its
first mistake (Carlini et al. 2022, "Quantifying memorization across neural language models", section 3: a text is extractable when it
does so to the end). One forward pass tells that: as long as the model has made no mistake, what it has said is the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from headwater.evaluation.perplexity import scoring
from headwater.model.directory import Model


def reciter(model: Model, prompt: int = 50, continuation: int = 50) -> Callable[[str], float]:
    """The measure: tokens recited before the first mistake / `continuation`. A text that is too short to tell has no figure (NaN).

    `prompt` and `continuation` are tokens; a shorter context than both takes half of it for each.
    """
    half = model.config.context // 2
    if prompt + continuation > model.config.context:
        prompt, continuation = half, half
    end = model.tokenizer.special("end")
    device = next(model.network.parameters()).device

    def recited(text: str) -> float:
        ids = [end, *model.tokenizer.encode(text)][: prompt + continuation]
        if len(ids) < prompt + continuation:
            return math.nan
        with scoring(model.network, "fp32"):
            hidden_TD = model.network.hidden(torch.tensor([ids], device=device))[0, prompt - 1 : -1]
            said_T = model.network.head(hidden_TD).argmax(-1)
        right_T = said_T == torch.tensor(ids[prompt:], device=device)
        return int(right_T.cumprod(0).sum()) / continuation

    return recited
