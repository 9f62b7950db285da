from __future__ import annotations

import itertools
import math

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.generation.beam import Beam, search
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model.network import Network
from tests.model.conftest import tiny

END = 3


@pytest.fixture(scope="module")
def small() -> Network:
    """Six tokens, so that all answers can be gone through."""
    return tiny(vocab_size=6, init={"std": 0.5}).build(0).eval()


def every_answer(network: Network, prompt: list[int], length: int) -> dict[tuple[int, ...], float]:
    """Log-probability of every answer of `length` tokens, or of fewer that end."""
    answers = {}
    for tokens in itertools.product(range(6), repeat=length):
        cut = tokens[: tokens.index(END) + 1] if END in tokens else tokens
        if cut not in answers:
            with torch.inference_mode():
                logs = network(torch.tensor([[*prompt, *cut]])).double().log_softmax(-1)[0]
            answers[cut] = sum(float(logs[len(prompt) - 1 + place, token]) for place, token in enumerate(cut))
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [0.0, 1.0, -0.5])
def test_a_beam_as_wide_as_the_tree_finds_the_best(small: Network, penalty: float) -> None:
    prompt = [1, 2, 5]
    answers = every_answer(small, prompt, 3)
    ranked = sorted(answers, key=lambda tokens: -answers[tokens] / len(tokens) ** penalty)
    beam = Beam(beams=300, length_penalty=penalty, early_stopping="never", max_tokens=3)
    (found,) = search(small, [prompt], beam, stop={END})
    said = [(*hypothesis.tokens, *([END] if hypothesis.stopped_by == END else [])) for hypothesis in found]
    assert len(said) == len(answers)
    assert said == ranked
    for tokens, hypothesis in zip(said, found, strict=True):
        assert math.isclose(hypothesis.score, answers[tokens] / len(tokens) ** penalty, abs_tol=1e-4)


def test_one_beam_is_greedy() -> None:
    network = tiny(init={"std": 0.4}).build(0)
    prompts = [[5, 6, 7], [9]]
    greedy = generate(network, prompts, Sampling(temperature=0, max_tokens=12), stop=set(), seed=0)
    found = search(network, prompts, Beam(beams=1, max_tokens=12), stop=set())
    assert [one[0].tokens for one in found] == [row.tokens for row in greedy]


@pytest.mark.parametrize("early", [False, True, "never"])
def test_a_search_depends_on_no_other(small: Network, early: bool) -> None:
    prompts = [[1, 2, 5], [4], [5, 5, 0, 1, 1], [2, 4]]
    beam = Beam(beams=3, early_stopping=early, max_tokens=12)
    together = search(small, prompts, beam, stop={END})
    alone = [search(small, [prompt], beam, stop={END})[0] for prompt in prompts]
    assert [[one.tokens for one in found] for found in together] == [[one.tokens for one in found] for found in alone]
    assert search(small, prompts, beam, stop={END}, batch_size=2)[3][0].tokens == together[3][0].tokens


def test_a_prompt_that_does_not_fit_is_refused(small: Network) -> None:
    with pytest.raises(HeadwaterError, match="a prompt of 20 tokens and 6 more exceed the model's context of 24"):
        search(small, [[1] * 20], Beam(max_tokens=6), stop=set())
    search(small, [[1] * 20], Beam(max_tokens=5), stop=set())
    with pytest.raises(HeadwaterError, match="an empty prompt"):
        search(small, [[]], Beam(max_tokens=5), stop=set())
