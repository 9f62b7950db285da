"""headwater/recipe/corpus.py: what rooms below the corpus say of its documents, beside its own statistics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from headwater.core.artifact import Artifact, Workspace
from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.model import directory
from headwater.model.config import ModelConfig, NormalInit
from headwater.recipe.recipe import Recipe
from headwater.recipe.runner import run
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

LEARNED = "a verse that this model was taught until it had it by heart, and says to whoever begins it. "


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has learned one text."""
    tokenizer = train(Bytes(), [])
    config = ModelConfig(layers=1, width=32, heads=2, context=128, vocab_size=tokenizer.vocab_size, init=NormalInit(std=0.3))
    network = config.build(1)
    ids = torch.tensor([[tokenizer.special("end"), *tokenizer.encode(LEARNED)]])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(50):
        logits = network.head(network.hidden(ids[:, :-1]))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("model") / "taught"
    directory.save(path, network, config, tokenizer)
    return path


def artifact(folder: Path, statistics: object) -> Artifact:
    draw = np.random.default_rng(1)
    rows = [{"text": LEARNED + f"Number {n}."} for n in range(3)] + [
        {"text": " ".join("".join(draw.choice(list("aeioutnrs"), 5)) for _ in range(40))} for _ in range(30)
    ]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = validate(Corpus, {"sources": [{"path": str(folder / "a.jsonl")}], "language": {"model": None}, "quality": {"rules": []},
                               "duplicates": {"exact": False, "near": None}, "statistics": statistics})  # fmt: skip
    return run(Recipe(name="test", corpus=config), Workspace(folder / "ws"), Reporter(), until="corpus")[-1]


def test_what_a_model_recites_is_in_the_statistics(tmp_path: Path, model: Path) -> None:
    made = artifact(tmp_path, {"model": str(model), "prompt": 30, "continuation": 40})
    measures = json.loads((made.path / "statistics.json").read_text())["measures"]
    recited, bits = measures["model_recites"], measures["model_bits_per_byte"]
    assert recited["documents"] == 33
    assert recited["mean"] == pytest.approx(3 / 33, abs=0.02), "the three that begin with what it learned, and next to nothing else"
    assert bits["quantiles"]["0.05"] < 1 < bits["quantiles"]["0.5"]
    plain = artifact(tmp_path, True)
    assert set(json.loads((plain.path / "statistics.json").read_text())["measures"]) == {"byte_4gram_bits_per_byte"}
    assert plain.manifest.inputs == made.manifest.inputs, "another model reads no source again"
    assert any(name.endswith("model.safetensors") for name in made.manifest.user_files)


@pytest.mark.fault
def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match=r"nowhere: has no config\.json; name a model's directory"):
        artifact(tmp_path, {"model": str(tmp_path / "nowhere")})
    assert not (tmp_path / "ws" / "annotate").exists(), "before anything is read"
    with pytest.raises(HeadwaterError, match=r"unknown key 'statistics\.modell'; did you mean 'model'"):
        validate(Corpus, {"sources": [{"path": "x"}], "statistics": {"modell": "x"}})
