"""headwater/cli/generating.py: every kind of model is asked for what it can do, in its own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.cli.generating import generate
from headwater.core.errors import HeadwaterError
from headwater.generation.sampling import Sampling
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

TOKENIZER = train(Bytes(specials=("mask", "cls", "sep"), sentinels=3), [])
GREEDY = Sampling(temperature=0, max_tokens=8)
KINDS: dict[str, dict[str, Any]] = {
    "decoder": {},
    "encoder-decoder": {"kind": "encoder-decoder"},
    "encoder": {"kind": "encoder", "head": {"kind": "mlm"}, "positions": {"kind": "learned"}},
    "scalar": {"head": {"kind": "scalar"}},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, changes in KINDS.items():
        config = ModelConfig.model_validate({"layers": 1, "width": 32, "heads": 2, "context": 64, "init": {"std": 0.3}, **changes})
        config = config.with_vocabulary(TOKENIZER.vocab_size)
        made[name] = tmp_path_factory.mktemp(name)
        directory.save(made[name], config.build(1), config, TOKENIZER)
    return made


def said(capsys: pytest.CaptureFixture[str], path: Path, prompt: str, **options: Any) -> list[dict[str, Any]]:
    generate(path, prompt, options.pop("count", 1), options.pop("sampling", GREEDY), 0, True, **options)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_one_beam_is_greedy_and_a_stop_string_ends(models: dict[str, Path], capsys: pytest.CaptureFixture[str], kind: str) -> None:
    (greedy,) = said(capsys, models[kind], "To be")
    assert len(greedy["text"]) >= 3
    assert said(capsys, models[kind], "To be", beams=1) == [greedy]
    cut = greedy["text"][2]
    assert said(capsys, models[kind], "To be", stops=[cut])[0]["text"] == greedy["text"].split(cut)[0]


def test_the_encoder_reads_the_prompt_and_its_sentinels(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    answers = [said(capsys, models["encoder-decoder"], prompt)[0]["text"] for prompt in ("To be", "Not to be", "To <|0|>", "To <|1|>")]
    assert len(set(answers)) == 4
    generate(models["encoder-decoder"], "To be", 1, GREEDY, 0, False)
    assert not capsys.readouterr().out.startswith("To be")


def test_masks_are_filled_likeliest_first(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, models["encoder"], "a<|mask|>c<|mask|>")
    assert [row["mask"] for row in rows] == [1, 2]
    for row in rows:
        shares = [token["probability"] for token in row["tokens"]]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
    with pytest.raises(HeadwaterError, match="an encoder fills masks, and the prompt has none"):
        said(capsys, models["encoder"], "no mask")


def test_what_cannot_be_done_is_one_sentence(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HeadwaterError, match="has a head of kind scalar, which writes nothing"):
        said(capsys, models["scalar"], "a")
    with pytest.raises(HeadwaterError, match="an empty stop string"):
        said(capsys, models["decoder"], "a", stops=[""])
