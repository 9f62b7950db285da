"""Generation against transformers: greedy and beam search token for token, what is drawn from, masks that are filled.

Prompts of unequal length go to theirs padded on the left, as it asks, and to ours as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headwater.generation.beam import Beam, search
from headwater.generation.fill import fill
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling, penalised
from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.network import Network
from tests.oracles.pair import PAD, opened, shaken
from tests.oracles.test_bert import bert
from tests.oracles.test_decoders import CASES, LLAMA
from tests.oracles.test_decoders import GPT2 as GPT2_LIKE
from tests.oracles.test_t5 import FIRST, V1_1, t5

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

LENGTH = 24  # more than generation/prepared.py asks for, so that its way is the one compared
LENGTHS = [9, 4, 1, 6]
EVEN = {"encoder_layers": 3}  # their cache takes the encoder's depth for the decoder's


def decoder(changes: dict[str, Any]) -> ModelConfig:
    base: dict[str, Any] = {"layers": 3, "width": 32, "heads": 4, "context": 48, "vocab_size": 70, "init": {"std": 0.4}}
    return ModelConfig.model_validate({**base, **changes})


def texts(lengths: list[int], seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(6, 60, length).tolist() for length in lengths]


def pair(folder: Path, config: ModelConfig) -> tuple[Network, Any]:
    network = shaken(config)
    theirs = opened(folder, transformers, family_of(config), network)
    theirs.generation_config.eos_token_id = None
    return network, theirs


def left_padded(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])
    return {"input_ids": ids, "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])}


def right_padded(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    flipped = left_padded([row[::-1] for row in rows])
    return {name: tensor.flip(1) for name, tensor in flipped.items()}


def said(theirs: Any, given: dict[str, torch.Tensor], **options: Any) -> list[list[int]]:
    """What is new in their rows."""
    rows = theirs.generate(**given, do_sample=False, max_new_tokens=LENGTH, pad_token_id=PAD, **options)
    start = 1 if theirs.config.is_encoder_decoder else given["input_ids"].shape[1]
    return [row[start:].tolist() for row in rows]


@pytest.mark.parametrize("case", [case for case in CASES if case != "gpt1"])
def test_greedy_equals_theirs_token_for_token(tmp_path: Path, case: str) -> None:
    opens, changes = CASES[case]
    network, theirs = pair(tmp_path, decoder(changes))
    assert type(theirs).__name__ == opens
    prompts = texts(LENGTHS)
    ours = [row.tokens for row in generate(network, prompts, Sampling(temperature=0, max_tokens=LENGTH), stop=set(), seed=0)]
    assert ours == said(theirs, left_padded(prompts))
    assert len({token for row in ours for token in row}) > 4


def test_gpt1_which_knows_no_left_padding(tmp_path: Path) -> None:
    network, theirs = pair(tmp_path, decoder(CASES["gpt1"][1]))
    prompts = texts(LENGTHS)
    ours = generate(network, prompts, Sampling(temperature=0, max_tokens=LENGTH), stop=set(), seed=0)
    for prompt, row in zip(prompts, ours, strict=True):
        assert row.tokens == said(theirs, left_padded([prompt]))[0]


@pytest.mark.parametrize("changes", [FIRST, V1_1], ids=["t5", "t5 v1.1"])
def test_an_encoder_decoder_too(tmp_path: Path, changes: dict[str, Any]) -> None:
    network, theirs = pair(tmp_path, t5(**changes, **EVEN))
    sources = texts([30, 17, 44, 3])
    ours = generate(network, [[PAD]] * 4, Sampling(temperature=0, max_tokens=LENGTH), stop=set(), seed=0, sources=sources)
    assert [row.tokens for row in ours] == said(theirs, right_padded(sources))


@pytest.mark.parametrize("changes", [GPT2_LIKE, LLAMA], ids=["gpt2", "llama"])
def test_greedy_with_a_repetition_penalty(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Row by row: with a batch, theirs counts the padding as said."""
    network, theirs = pair(tmp_path, decoder(changes))
    sampling = Sampling(temperature=0, max_tokens=LENGTH, repetition_penalty=1.4)
    free = generate(network, texts(LENGTHS), sampling.model_copy(update={"repetition_penalty": 1.0}), stop=set(), seed=0)
    ours = generate(network, texts(LENGTHS), sampling, stop=set(), seed=0)
    for prompt, row in zip(texts(LENGTHS), ours, strict=True):
        assert row.tokens == said(theirs, left_padded([prompt]), repetition_penalty=1.4)[0]
    assert [row.tokens for row in ours] != [row.tokens for row in free]


BEAMS = [
    Beam(beams=3, max_tokens=LENGTH),
    Beam(beams=5, max_tokens=LENGTH, length_penalty=0.0),
    Beam(beams=4, max_tokens=LENGTH, length_penalty=2.0, early_stopping=True),
    Beam(beams=2, max_tokens=LENGTH, length_penalty=-1.0),
    Beam(beams=4, max_tokens=LENGTH, length_penalty=1.5, early_stopping="never"),
]


@pytest.mark.parametrize("beam", BEAMS, ids=str)
@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
def test_beam_search_equals_theirs_token_for_token(tmp_path: Path, kind: str, beam: Beam) -> None:
    """All hypotheses and their scores, four prompts at once, with an end that comes now and then."""
    config = {"gpt2": decoder(GPT2_LIKE), "llama": decoder(LLAMA), "t5": t5(**FIRST, **EVEN)}[kind]
    network, theirs = pair(tmp_path, config)
    rows = texts(LENGTHS)
    end = commonest(network, rows, kind)
    crosses = kind == "t5"
    options = {"num_beams": beam.beams, "num_return_sequences": beam.beams, "length_penalty": beam.length_penalty, "eos_token_id": end,
               "early_stopping": beam.early_stopping, "return_dict_in_generate": True, "output_scores": True}  # fmt: skip
    given = right_padded(rows) if crosses else left_padded(rows)
    told = theirs.generate(**given, do_sample=False, max_new_tokens=LENGTH, pad_token_id=PAD, **options)
    ours = search(network, [[PAD]] * 4 if crosses else rows, beam, stop={end}, sources=rows if crosses else None)
    start = 1 if crosses else given["input_ids"].shape[1]
    flat = [hypothesis for found in ours for hypothesis in found]
    assert len(flat) == 4 * beam.beams
    for hypothesis, row, score in zip(flat, told.sequences[:, start:].tolist(), told.sequences_scores.tolist(), strict=True):
        ended = end in row
        assert hypothesis.tokens == (row[: row.index(end)] if ended else row)
        assert hypothesis.stopped_by == (end if ended else None)
        assert hypothesis.score == pytest.approx(score, abs=1e-4, rel=1e-5)
    assert any(hypothesis.stopped_by == end for hypothesis in flat)


def commonest(network: Network, rows: list[list[int]], kind: str) -> int:
    """A token that comes often, so that hypotheses end early and late."""
    sources = rows if kind == "t5" else None
    found = generate(network, [[PAD]] * 4 if sources else rows, Sampling(max_tokens=LENGTH), stop=set(), seed=0, sources=sources)
    return int(np.bincount([token for row in found for token in row.tokens]).argmax())


@pytest.mark.parametrize("top_k", [None, 5])
@pytest.mark.parametrize("top_p", [None, 0.7])
@pytest.mark.parametrize("min_p", [None, 0.02, 0.3])
@pytest.mark.parametrize("penalty", [1.0, 1.3, 0.8])
def test_what_is_drawn_from_is_theirs(penalty: float, min_p: float | None, top_p: float | None, top_k: int | None) -> None:
    """Their processors in the order in which they apply them."""
    rng = np.random.default_rng(0)
    sampling = Sampling(temperature=0.8, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty)
    steps = [transformers.RepetitionPenaltyLogitsProcessor(penalty), transformers.TemperatureLogitsWarper(0.8)]
    steps += [transformers.TopKLogitsWarper(top_k)] if top_k else []
    steps += [transformers.TopPLogitsWarper(top_p)] if top_p else []
    steps += [transformers.MinPLogitsWarper(min_p)] if min_p else []
    for _ in range(10):
        logits, seen = rng.normal(size=40) * 2, rng.integers(0, 40, 12).tolist()
        scores = transformers.LogitsProcessorList(steps)(torch.tensor([seen]), torch.tensor(logits)[None])
        found = sampling.probabilities(penalised(logits[None], [seen], penalty)[0])
        np.testing.assert_allclose(found, scores.softmax(-1)[0].numpy(), rtol=1e-9, atol=1e-12)


def test_masks_are_filled_as_theirs(tmp_path: Path) -> None:
    network = shaken(bert({"kind": "mlm"}))
    theirs = opened(tmp_path, transformers, family_of(network.config), network)
    ids = texts([14])[0]
    ids[3] = ids[9] = mask = 5
    probability = theirs(input_ids=torch.tensor([ids])).logits[0].softmax(-1)
    found = fill(network, ids, mask, top_k=6)
    assert len(found) == 2
    for place, candidates in zip((3, 9), found, strict=True):
        shares, tokens = probability[place].topk(6)
        assert [candidate.token for candidate in candidates] == tokens.tolist()
        np.testing.assert_allclose([candidate.probability for candidate in candidates], shares.tolist(), rtol=1e-4)
