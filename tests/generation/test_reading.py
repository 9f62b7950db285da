"""Every architecture through one entry, against reading the whole text anew for each token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.generation.generate import generate, stream
from headwater.generation.reading import Reading
from headwater.generation.sampling import Sampling
from headwater.model.network import Network
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, prefix
from tests.model.conftest import tiny
from tests.model.test_cache import CONFIGS

GREEDY = Sampling(temperature=0, max_tokens=10)
BLANK, START, PLAIN = 8, 9, 20
PROMPTS = [[50, 60, 70, 61, 44], [33], [90, 91, 92, 90, 91, 92, 90, 91, 92]]


def anew(network: Network, prompt: Sequence[int], inputs: Callable[[list[int]], Inputs], source: list[int] | None = None) -> list[int]:
    """Greedy without a cache and alone."""
    text = list(prompt)
    with torch.inference_mode():
        while len(text) < len(prompt) + GREEDY.max_tokens:
            given = {} if source is None else {"source": torch.tensor([source])}
            text.append(int(network(inputs(text), **given)[0, -1].argmax()))
    return text[len(prompt) :]


def plain(text: list[int]) -> Inputs:
    return Inputs(torch.tensor([text]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONFIGS if not name.startswith("glm")])
def test_decoders(name: str) -> None:
    network = tiny(**CONFIGS[name], init={"std": 0.4}).build(0).eval()
    found = generate(network, PROMPTS, GREEDY, stop=set(), seed=0)
    assert [row.tokens for row in found] == [anew(network, prompt, plain) for prompt in PROMPTS]


@pytest.mark.parametrize(
    "positions", [{"kind": "rope"}, {"kind": "learned"}, {"kind": "alibi"}, {"kind": "t5"}], ids=lambda part: part["kind"]
)
def test_prefix_decoders(positions: dict[str, str]) -> None:
    network = tiny(positions=positions, init={"std": 0.4}).build(0).eval()

    def inputs(text: list[int], given: int) -> Inputs:
        return Inputs(torch.tensor([text]), mask=causal() | prefix(), prefix_BT=torch.arange(len(text))[None] < given)

    found = [row.tokens for row in generate(network, PROMPTS, GREEDY, stop=set(), seed=0, reading=Reading(prefix=True))]
    assert found == [anew(network, prompt, partial(inputs, given=len(prompt))) for prompt in PROMPTS]
    assert found != [row.tokens for row in generate(network, PROMPTS, GREEDY, stop=set(), seed=0)]


@pytest.mark.parametrize("positions", ["glm", "rope"])
def test_glm_writes_into_its_last_blank(positions: str) -> None:
    """As objectives/glm.py lays a row out: what is written stands at the blank's place, and counts from 1 beside it."""
    network = tiny(positions={"kind": positions}, init={"std": 0.4}).build(0).eval()
    prompts = [[50, BLANK, 70, BLANK, 44, START], [BLANK, START], [90, 91, 92, 90, BLANK, START]]

    def inputs(text: list[int], given: int, blank: int) -> Inputs:
        count = len(text) - given
        where = torch.tensor([[*range(given), *[blank] * count]]) if positions == "glm" else None
        blocks = torch.tensor([[*[0] * given, *range(1, count + 1)]]) if positions == "glm" else None
        front = torch.arange(len(text))[None] < given
        return Inputs(torch.tensor([text]), positions_BT=where, blocks_BT=blocks, mask=causal() | prefix(), prefix_BT=front)

    found = generate(network, prompts, GREEDY, stop=set(), seed=0, reading=Reading(blanks=frozenset({BLANK})))
    for prompt, row, blank in zip(prompts, found, (3, 0, 4), strict=True):
        assert row.tokens == anew(network, prompt, partial(inputs, given=len(prompt) - 1, blank=blank))
    alone = generate(network, prompts[:1], GREEDY, stop={found[0].tokens[4]}, seed=0, reading=Reading(blanks=frozenset({BLANK})))[0]
    assert alone.tokens == found[0].tokens[: len(alone.tokens)]


def test_glm_when_other_rows_have_stopped() -> None:
    network = tiny(positions={"kind": "glm"}, init={"std": 0.4}).build(0).eval()
    reading, prompts = Reading(blanks=frozenset({BLANK})), [[BLANK, 60, START], [50, 60, 70, 44, BLANK, START]]
    free = generate(network, prompts, GREEDY, stop=set(), seed=0, reading=reading)
    ends = [token for token in free[0].tokens if token not in free[1].tokens]
    stopped = generate(network, prompts, GREEDY, stop=set(ends[:1]), seed=0, reading=reading)
    assert stopped[0].finished
    assert stopped[1] == free[1]


SOURCES = [[30, 31, 32, 33, 34, 35, 36], [40], [50, 51, 52]]


@pytest.mark.slow
@pytest.mark.parametrize("positions", [{"kind": "t5"}, {"kind": "sinusoidal"}, {"kind": "rope"}], ids=lambda part: part["kind"])
def test_encoder_decoders(positions: dict[str, str]) -> None:
    network = tiny(kind="encoder-decoder", positions=positions, init={"std": 0.4}).build(0).eval()
    found = generate(network, [[START]] * 3, GREEDY, stop=set(), seed=0, sources=SOURCES)
    assert [row.tokens for row in found] == [anew(network, [START], plain, source) for source in SOURCES]
    assert list(stream(network, [START], GREEDY, stop=set(), seed=0, source=SOURCES[2])) == found[2].tokens


def test_an_encoder_decoder_goes_on_beyond_its_context_with_the_same_source() -> None:
    network = tiny(kind="encoder-decoder", positions={"kind": "t5"}, context=12, init={"std": 0.4}).build(0).eval()
    found = generate(network, [[START]] * 2, Sampling(temperature=0, max_tokens=20), stop=set(), seed=0, sources=SOURCES[:2])
    for source, row in zip(SOURCES, found, strict=False):
        seen, expected = [START], []
        for _ in range(20):
            with torch.inference_mode():
                expected.append(int(network(torch.tensor([seen]), source=torch.tensor([source]))[0, -1].argmax()))
            seen = [*(seen if len(seen) < 12 else seen[6:]), expected[-1]]
        assert row.tokens == expected


def refused(match: str, network: Network, prompts: list[list[int]], **how: Any) -> None:
    with pytest.raises(HeadwaterError, match=match):
        generate(network, prompts, GREEDY, stop=set(), seed=0, **how)


def test_what_cannot_be_read_is_refused_in_one_sentence() -> None:
    decoder, both = tiny().build(0), tiny(kind="encoder-decoder").build(0)
    refused("needs a source for each prompt", both, [[START]])
    refused("has no encoder, and was given sources", decoder, [[5]], sources=[[6]])
    refused("2 sources for 1 prompts", both, [[START]], sources=[[6], [7]])
    refused("an empty source", both, [[START]], sources=[[]])
    refused("a prompt without a blank", decoder, [[5, START]], reading=Reading(blanks=frozenset({BLANK})))
    refused("would not fit the model's context of 24", decoder, [[5] * 15 + [BLANK, START]], reading=Reading(blanks=frozenset({BLANK})))
