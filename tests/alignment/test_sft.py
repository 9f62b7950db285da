"""Fine-tuning: who is held out, what is cut, what is learned, and by which weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.alignment.config import SFT
from headwater.alignment.dialogues import gather
from headwater.alignment.sft import DialogueData, _fitting, check, run
from headwater.core.artifact import Outcome, Work, hash_files
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import read_json, read_jsonl, write_json
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model import directory
from headwater.model.adapters import adapt, learned, load_adapters, merge
from headwater.model.config import ModelConfig
from headwater.model.tuning_config import LoRA
from headwater.tokens.chat import Message
from headwater.tokens.config import Bytes
from headwater.tokens.dialogues import Dialogue
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])


def dialogue(*turns: str) -> Dialogue:
    return Dialogue("d", tuple(Message(role="assistant" if place % 2 else "user", content=turn) for place, turn in enumerate(turns)))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """400 prompts with two answers each, every tenth pair twice."""
    file = tmp_path / "d.jsonl"
    pairs = [(f"question {number}", f"answer {number} {way}") for number in range(400) for way in "ab"]
    pairs += pairs[::10]
    file.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in pairs))
    config = SFT(sources=[{"path": str(file)}], steps=50)  # type: ignore[arg-type, list-item]
    *_, counts = gather(config, tmp_path, Reporter())
    return rows(tmp_path / "dialogues.train.jsonl"), rows(tmp_path / "dialogues.heldout.jsonl"), counts


def test_equal_dialogues_once_and_a_prompt_on_one_side_only(sides: Any) -> None:
    learned, held_out, counts = sides
    assert (counts["dialogues"], counts["distinct"]) == (880, 800)
    assert len(learned) + len(held_out) == 800
    prompts = [{row["messages"][0]["content"] for row in side} for side in (learned, held_out)]
    assert not prompts[0] & prompts[1]
    assert 0.02 < len(held_out) / 800 < 0.09


def test_a_long_dialogue_is_cut_after_the_last_answer_that_fits() -> None:
    long = dialogue("hi", "hello", "and now?", "x" * 500)
    encoded, kept = _fitting([long, dialogue("y" * 500, "too long a question")], BYTES, TEMPLATE, 100)
    assert [message.content for message in kept[0].messages] == ["hi", "hello"]
    assert len(encoded) == len(kept) == 1


def test_every_dialogue_once_an_epoch_and_another_order_in_the_next() -> None:
    encoded, kept = _fitting([dialogue(f"question {number}", "z" * (number % 40)) for number in range(1, 300)], BYTES, TEMPLATE, 128)
    data = DialogueData(encoded, [str(number) for number in range(len(kept))], 128, BYTES.special("pad"), lambda step: (step, 1), seed=1)
    epochs = [[data.chosen(step)[0] for step in range(start, start + len(data.rows))] for start in (0, len(data.rows))]
    for epoch in epochs:
        assert sorted(item for row in epoch for item in row) == list(range(len(encoded)))
    assert epochs[0] != epochs[1]


def test_only_answers_and_their_closing_turn_are_learned() -> None:
    encoded, _ = _fitting([dialogue("what?", "this.")], BYTES, TEMPLATE, 64)
    data = DialogueData(encoded, ["0"], 64, BYTES.special("pad"), lambda step: (step, 1), seed=1)
    batch = data.batch(0)
    learned = batch.targets_BT[batch.weights_BT > 0].tolist()
    assert BYTES.decode(learned) == "this.<|turn|>"
    assert batch.weight == len(learned)


def test_of_a_few_dialogues_one_prompt_is_held_out(tmp_path: Path) -> None:
    """However the draws fall, neither side is empty."""
    for count in range(2, 12):
        file = tmp_path / f"{count}.tsv"
        file.write_text("".join(f"question {count} {number}\tanswer\n" for number in range(count)))
        learned, held_out, _ = gather(SFT(sources=[{"path": str(file)}], steps=50), tmp_path, Reporter())  # type: ignore[arg-type, list-item]
        assert learned
        assert held_out
        assert len(learned) + len(held_out) == count


LORA: dict[str, Any] = {"kind": "lora", "rank": 4, "alpha": 64, "dropout": 0.1}


def base(folder: Path, **changes: Any) -> Path:
    config = ModelConfig.model_validate({"layers": 2, "width": 32, "heads": 2, "context": 64, **changes}).with_vocabulary(BYTES.vocab_size)
    directory.save(folder, config.build(1), config, BYTES)
    return folder


class Bench:
    def __init__(self, folder: Path) -> None:
        self.out, self.base = folder / "out", base(folder / "base")
        self.file = folder / "d.jsonl"
        pairs = [(f"{number}?", f"river {number % 3}") for number in range(60)]
        self.file.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in pairs))

    def config(self, **changes: Any) -> SFT:
        training = {"steps": 20, "batch_size": 4, "optimizer": {"kind": "adamw", "lr": 1e-2}, "schedule": {"warmup": 2},
                    "validate_every": 10, "checkpoint_every": 4, "precision": "fp32"}  # fmt: skip
        return SFT.model_validate({"base": str(self.base), "sources": [{"path": str(self.file)}], "prompts": ["1?"], **training, **changes})

    def __call__(self, **changes: Any) -> Outcome:
        self.out.mkdir(exist_ok=True)
        return run(self.config(**changes), Work(self.out, {}, 1, Reporter()))

    def losses(self) -> list[float]:
        return [row["loss"] for row in read_jsonl(self.out / "metrics.jsonl") if row["kind"] == "validation"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    torch.set_num_threads(1)
    return Bench(tmp_path)


def test_a_base_stands_in_place_of_the_recipes_own_model(bench: Bench) -> None:
    bench()
    assert bench.losses()[-1] < 0.8 * bench.losses()[0]
    assert directory.load(bench.out).template == TEMPLATE
    before = bench.config().contents()
    assert "base/headwater.json" in before
    base(bench.base, norm={"eps": 1e-3})
    assert bench.config().contents() != before


@pytest.mark.parametrize("kept", ["as-is", "nf4"])
def test_adapters_learn_alone_and_are_merged(bench: Bench, kept: str) -> None:
    outcome = bench(adapter={**LORA, "base": kept})
    assert bench.losses()[-1] < 0.97 * bench.losses()[0]
    assert outcome.metrics["learned_parameters"] == 2 * 2 * 4 * (32 + 32)
    assert outcome.metrics["adapted"] == [f"stack.blocks.{layer}.attention.{name}" for layer in range(2) for name in ("query", "value")]
    assert f"; 1,024 parameters learned, the model has {directory.load(bench.base).config.parameter_count():,}" in outcome.key_figure
    before, after = (directory.load(path).network for path in (bench.base, bench.out))
    changed = [name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before.state_dict()[name])]
    assert changed == [f"{name}.weight" for name in outcome.metrics["adapted"]]
    load_adapters(bench.out, before, read_json(bench.base / "headwater.json")["weights"])
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in merge(before).state_dict().items())


def test_a_kill_of_adapters_changes_no_bit(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench(adapter=LORA)
    whole = {name: digest for name, digest in hash_files(bench.out).items() if not name.startswith("scratch/")}
    assert {"adapters.safetensors", "adapters.json", "model.safetensors"} <= whole.keys()
    bench.out.rename(tmp_path / "straight")
    batch, read = DialogueData.batch, []

    def killed(data: DialogueData, step: int) -> Any:
        if step == 10 and 10 not in read:
            read.append(step)
            raise KeyboardInterrupt
        read.append(step)
        return batch(data, step)

    monkeypatch.setattr(DialogueData, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        bench(adapter=LORA)
    read[:] = [10]
    bench(adapter=LORA)
    assert read[1] == 8  # it went on from a checkpoint
    assert {name: digest for name, digest in hash_files(bench.out).items() if not name.startswith("scratch/")} == whole


def test_samples_are_of_the_adapted_model(bench: Bench) -> None:
    """Many tokens are read by a network laid out anew, in which an adapter's share must not be forgotten."""
    network = directory.load(bench.base).network
    adapt(network, LoRA(alpha=64))
    with torch.no_grad():
        for tensor in learned(network).values():
            tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)))

    def said() -> tuple[int, ...]:
        return tuple(generate(network.eval(), [[5, 6, 7]], Sampling(temperature=0, max_tokens=40), stop=set(), seed=0)[0].tokens)

    adapted = said()
    merge(network)
    assert adapted == said() != tuple(generate(directory.load(bench.base).network, [[5, 6, 7]], Sampling(temperature=0, max_tokens=40),
                                               stop=set(), seed=0)[0].tokens)  # fmt: skip


def test_what_cannot_be_taught_to_answer_is_said_first(bench: Bench, tmp_path: Path) -> None:
    check(bench.config(), Reporter())
    with pytest.raises(
        HeadwaterError, match=r"is an encoder, and sft teaches a decoder to answer in words; teach it a task by a 'finetune:'"
    ):
        check(bench.config(base=str(base(tmp_path / "encoder", kind="encoder", head={"kind": "mlm"}))), Reporter())
    with pytest.raises(HeadwaterError, match="no linear layer is called"):
        check(bench.config(adapter={"targets": ["*.attention.qury"]}), Reporter())
    with pytest.raises(ValueError, match=r"beside adapters all is frozen but what 'adapter.learned' names"):
        bench.config(adapter={}, rates={"frozen": ["embedding.*"]})
    with pytest.raises(HeadwaterError, match="no such model directory"):
        bench.config(base=str(tmp_path / "nowhere")).contents()
    (tmp_path / "theirs").mkdir()
    write_json(tmp_path / "theirs" / "config.json", {"model_type": "gpt2"})
    with pytest.raises(HeadwaterError, match="a checkpoint of Hugging Face's, no model directory yet; `headwater import "):
        check(bench.config(base=str(tmp_path / "theirs")), Reporter())
