"""headwater/evaluation/recite.py: one pass counts what decoding step by step would recite."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from headwater.evaluation.recite import reciter
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model.directory import Model

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness."


def by_decoding(model: Model, text: str, prompt: int, continuation: int) -> float:
    """The oracle: greedy decoding with the cache, compared with the text."""
    ids = [model.tokenizer.special("end"), *model.tokenizer.encode(text)][: prompt + continuation]
    sampling = Sampling(temperature=0.0, max_tokens=continuation)
    said = generate(model.network, [ids[:prompt]], sampling, stop=set(), seed=0, keys=["x"], batch_size=1)[0].tokens
    right = [one == other for one, other in zip(said, ids[prompt:], strict=True)]
    return (right.index(False) if False in right else len(right)) / continuation


def trained(model: Model, text: str, steps: int) -> Model:
    """Taught one text."""
    ids = torch.tensor([[model.tokenizer.special("end"), *model.tokenizer.encode(text)]])
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-2)
    for _ in range(steps):
        logits = model.network.head(model.network.hidden(ids[:, :-1]))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("steps", [0, 25, 60])
def test_as_much_as_decoding_recites(model: Callable[..., Model], steps: int) -> None:
    torch.manual_seed(0)
    taught = trained(model(context=128), TEXT, steps)
    for prompt, continuation in ((20, 40), (5, 10), (40, 20)):
        share = reciter(taught, prompt, continuation)(TEXT)
        assert share == pytest.approx(by_decoding(taught, TEXT, prompt, continuation))
    if steps == 60:
        assert reciter(taught, 20, 40)(TEXT) == 1.0
        assert reciter(taught, 20, 40)(TEXT[::-1]) < 0.2


def test_a_short_text_has_no_figure_and_a_short_context_shorter_probes(model: Callable[..., Model]) -> None:
    assert math.isnan(reciter(model(), 20, 40)("too short"))
    assert 0 <= reciter(model(context=16), 50, 50)(TEXT) <= 1
    assert math.isnan(reciter(model(context=16), 50, 50)("fifteen"))
