from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.evaluation import stage
from headwater.evaluation.config import Chat, Completion, Continuation, Evaluate, Samples
from tests.heard import Heard

CONFIG = Evaluate(
    batch_size=8,
    tasks=(Continuation(shots=1, questions=12, context_characters=40, answer_characters=30), Completion(questions=12, max_tokens=8)),
    chat=Chat(max_tokens=8),
    samples=Samples(count=2, max_tokens=12),
)


def run(path: Path, inputs: dict[str, Any], config: Evaluate = CONFIG) -> tuple[dict[str, Any], Any, Heard]:
    path.mkdir()
    listener = Heard()
    outcome = stage.run(config, Work(path, inputs, seed=1, report=listener))
    return json.loads((path / "evaluation.json").read_text()), outcome, listener


def test_an_untrained_model_is_judged_whole_and_said_to_lose(tmp_path: Path, inputs: dict[str, Any]) -> None:
    found, outcome, listener = run(tmp_path / "out", inputs)
    measured = found["perplexity"]
    for judged in ("model", "ngram"):
        parts = [measured[judged][language] for language in ("en", "zh")]
        assert sum(part["bytes"] for part in parts) == measured[judged]["all"]["bytes"]
        weighted = sum(part["bits_per_byte"] * part["bytes"] for part in parts) / measured[judged]["all"]["bytes"]
        assert measured[judged]["all"]["bits_per_byte"] == pytest.approx(weighted, abs=1e-4)
    gain = measured["ngram"]["all"]["bits_per_byte"] - measured["model"]["all"]["bits_per_byte"]
    assert measured["gain"]["bits_per_byte"] == pytest.approx(gain, abs=2e-5)
    assert found["beats_ngram"] is False
    assert any("does not beat counting" in sentence for sentence in listener.lines)
    assert [task["name"] for task in found["tasks"]] == ["continuation, 1 shots", "completion, 0 shots"]
    assert found["chat"]["count"] == 3
    assert len(found["samples"]) == 2
    assert outcome.metrics["bits_per_byte"] == measured["model"]["all"]["bits_per_byte"]
    assert outcome.key_figure.startswith(f"{outcome.metrics['bits_per_byte']:.2f} bits/byte (5-gram ")


def test_equal_inputs_give_equal_bytes_whatever_the_batch(tmp_path: Path, inputs: dict[str, Any]) -> None:
    run(tmp_path / "one", inputs)
    run(tmp_path / "two", inputs)
    run(tmp_path / "three", inputs, CONFIG.model_copy(update={"batch_size": 3}))
    one, two, three = ((tmp_path / name / "evaluation.json").read_bytes() for name in ("one", "two", "three"))
    assert one == two == three


def test_what_is_not_asked_for_is_absent(tmp_path: Path, inputs: dict[str, Any]) -> None:
    del inputs["sft"]
    bare = CONFIG.model_copy(update={"ngram": None, "tasks": (), "samples": None, "documents": 5})
    found, outcome, _ = run(tmp_path / "out", inputs, bare)
    assert set(found) == {"perplexity", "tasks"}
    assert found["perplexity"]["model"]["all"]["documents"] == 5
    assert outcome.key_figure.endswith("bits/byte")


@pytest.mark.fault
def test_a_corpus_that_the_tokens_are_not_of_is_refused(tmp_path: Path, inputs: dict[str, Any]) -> None:
    path = inputs["corpus"].path / "documents" / "validation-00000.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(HeadwaterError, match="do not hold the same documents"):
        run(tmp_path / "out", inputs)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.fault
def test_a_model_directory_that_is_none(tmp_path: Path, inputs: dict[str, Any]) -> None:
    shutil.rmtree(inputs["pretrain"].path)
    with pytest.raises(HeadwaterError, match="no such model directory"):
        run(tmp_path / "out", inputs)
