"""Fine-tuning heads: what can be learned is learned to its limit, what cannot is said, and a kill changes no bit."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from headwater.alignment.finetune import check, run
from headwater.alignment.finetune_config import Finetune
from headwater.core.artifact import Outcome, Work, hash_files
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.objectives.labelled import LabelledData, TextRows
from headwater.tokens.config import Words
from headwater.tokens.tokenizer import Tokenizer, train
from headwater.training import loss
from headwater.training.loss import with_own_words

PLAIN = ["river", "stone", "light", "water", "bridge", "song", "winter", "garden", "letter", "window"]
GOOD, BAD = ["lovely", "splendid", "bright"], ["dreadful", "gloomy", "broken"]
NAMES = {"PER": ["Anna", "Boris", "Clara"], "LOC": ["Oslo", "Lima", "Kyoto"]}
GERMAN = {"one": "eins", "two": "zwei", "three": "drei"}
EVERY = " ".join([*PLAIN, *GOOD, *BAD, *NAMES["PER"], *NAMES["LOC"], "who", *GERMAN, *GERMAN.values()])

Rows = Iterator[dict[str, Any]]


def sentiments(draw: random.Random, n: int) -> Rows:
    for _ in range(n):
        words, good = draw.choices(PLAIN, k=draw.randint(3, 8)), draw.random() < 0.5
        words.insert(draw.randrange(len(words) + 1), draw.choice(GOOD if good else BAD))
        yield {"text": " ".join(words), "label": "pos" if good else "neg"}


def counts(draw: random.Random, n: int) -> Rows:
    """1,000 and 50 for each word that is "bright": far from 0 and from 1."""
    for _ in range(n):
        words, k = draw.choices(PLAIN, k=draw.randint(4, 8)), draw.randint(0, 4)
        for _ in range(k):
            words.insert(draw.randrange(len(words) + 1), "bright")
        yield {"text": " ".join(words), "label": 1000 + 50 * k}


def names(draw: random.Random, n: int) -> Rows:
    for _ in range(n):
        words, tags = [], []
        for _ in range(draw.randint(3, 8)):
            type, length = draw.choice(["", "", "PER", "LOC"]), draw.randint(1, 2)
            words += draw.choices(NAMES[type] if type else PLAIN, k=length)
            tags += [f"B-{type}", *[f"I-{type}"] * (length - 1)] if type else ["O"] * length
            if type:
                words, tags = [*words, "river"], [*tags, "O"]
        yield {"tokens": words, "tags": tags}


def questions(draw: random.Random, n: int) -> Rows:
    """Longer than a row of 32 tokens, some of them; three in ten have no answer."""
    for _ in range(n):
        words = draw.choices(PLAIN, k=draw.randint(4, 40))
        answer = " ".join(draw.choices(NAMES["PER"], k=draw.randint(1, 2))) if draw.random() < 0.7 else None
        if answer:
            words.insert(draw.randrange(len(words) + 1), answer)
        yield {"context": " ".join(words), "question": "who", "answers": [answer] if answer else []}


def translations(draw: random.Random, n: int) -> Rows:
    for _ in range(n):
        words = draw.choices(list(GERMAN), k=draw.randint(2, 5))
        yield {"source": " ".join(words), "target": " ".join(GERMAN[word] for word in words)}


TOKENIZER = train(Words(vocab_size=39, specials=("cls", "sep", "mask"), min_frequency=1), [EVERY] * 3)


def base(path: Path, kind: str, tokenizer: Tokenizer = TOKENIZER) -> Path:
    head = {"kind": "mlm", "next_sentence": True} if kind == "encoder" else {"kind": "lm"}
    shape = {
        "kind": kind,
        "layers": 1 if kind == "encoder-decoder" else 2,
        "width": 32,
        "heads": 2,
        "context": 32,
        "head": head,
        "embedding": {"types": 2},
    }
    config = ModelConfig.model_validate(shape).with_vocabulary(tokenizer.vocab_size)
    directory.save(path, config.build(1), config, tokenizer)
    return path


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def block(self, kind: str, rows: Callable[[random.Random, int], Rows], task: dict[str, Any], n: int, **more: Any) -> dict[str, Any]:
        file = self.folder / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(random.Random(3), n)))
        training = {"steps": 120, "batch_size": 16, "optimizer": {"kind": "adamw", "lr": 3e-3}, "precision": "fp32", "validate_every": 60}
        where = self.folder / f"base-{kind}"
        return {
            "base": str(where if where.exists() else base(where, kind)),
            "task": task,
            "sources": [{"path": str(file)}],
            **training,
            **more,
        }

    def __call__(self, kind: str, rows: Callable[[random.Random, int], Rows], task: dict[str, Any], n: int = 400, **more: Any) -> Outcome:
        self.out = self.folder / "out"
        self.out.mkdir(exist_ok=True)
        return run(Finetune.model_validate(self.block(kind, rows, task, n, **more)), Work(self.out, {}, 1, Reporter()))

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    torch.set_num_threads(1)
    return Bench(tmp_path)


def test_a_class_told_by_one_word_is_learned_and_the_kept_model_says_the_same(bench: Bench) -> None:
    outcome = bench("encoder", sentiments, {"kind": "classification"}, steps=80)
    figures = outcome.metrics["held_out_figures"]
    assert figures["accuracy"] > 0.95
    assert figures["baseline"]["accuracy"] < 0.75
    assert outcome.key_figure.startswith("accuracy ")
    assert "(the commonest label alone: " in outcome.key_figure
    model = directory.load(bench.out)
    about = json.loads((bench.out / "headwater.json").read_text())
    labels = about["lineage"]["labels"]
    assert labels == ["neg", "pos"]
    assert json.loads((bench.out / "config.json").read_text())["id2label"] == {"0": "neg", "1": "pos"}
    how = TextRows.of(model.config, model.tokenizer)
    for answer in bench.answers[:8]:
        row = torch.from_numpy(how.row(model.tokenizer.encode(answer["text"])).tokens)[None]
        with torch.no_grad():
            shares = model.network(row)[0].softmax(dim=0)
        assert labels[int(shares.argmax())] == answer["said"]
        assert float(shares.max()) == pytest.approx(answer["probability"], abs=1e-3)
    assert sum(answer["said"] == answer["label"] for answer in bench.answers) == round(figures["accuracy"] * len(bench.answers))


def test_labels_without_reason_are_said_not_to_be_learned(bench: Bench) -> None:
    def noise(draw: random.Random, n: int) -> Rows:
        for row in sentiments(draw, n):
            yield {**row, "label": draw.choice([0, 1, 10, 9])}

    outcome = bench("decoder", noise, {"kind": "classification"}, steps=30, schedule={"kind": "linear", "warmup": 4})
    assert "no surer than the commonest label alone" in outcome.key_figure
    assert outcome.metrics["labels"] == ["0", "1", "9", "10"]


def test_a_value_is_kept_in_the_data_s_own_units(bench: Bench) -> None:
    outcome = bench("decoder", counts, {"kind": "regression"}, steps=80)
    figures = outcome.metrics["held_out_figures"]
    assert figures["mse"] < 0.05 * figures["baseline"]["mse"]
    assert figures["pearson"] > 0.97
    model = directory.load(bench.out)
    how = TextRows.of(model.config, model.tokenizer)
    for answer in bench.answers[:5]:
        row = torch.from_numpy(how.row(model.tokenizer.encode(answer["text"])).tokens)[None]
        with torch.no_grad():
            assert float(model.network(row)) == pytest.approx(answer["said"], abs=0.1)
        assert answer["said"] == pytest.approx(answer["label"], abs=60)


def test_tags_that_need_the_word_before_are_learned(bench: Bench) -> None:
    figures = bench("decoder", names, {"kind": "tagging"}).metrics["held_out_figures"]
    assert figures["accuracy"] > 0.98
    assert figures["entity_f1"] > 0.95
    assert figures["baseline"]["by_word"]["entity_f1"] < 0.9  # a word alone does not say whether a name begins or goes on
    assert all(len(answer["said"]) == len(answer["words"]) for answer in bench.answers)


def test_answers_are_found_in_any_window_and_none_where_there_is_none(bench: Bench) -> None:
    outcome = bench("encoder", questions, {"kind": "span", "stride": 8}, steps=150)
    figures = outcome.metrics["held_out_figures"]
    assert outcome.metrics["windows"] > outcome.metrics["distinct"]
    assert figures["exact"] > 0.9
    assert figures["f1"] >= figures["exact"] > figures["baseline"]["exact"]
    assert any(answer["said"] == "" for answer in bench.answers)


@pytest.mark.parametrize(("kind", "lr"), [("decoder", 3e-3), ("encoder-decoder", 1e-2)])
def test_a_translation_is_written(bench: Bench, kind: str, lr: float) -> None:
    outcome = bench(
        kind,
        translations,
        {"kind": "seq2seq"},
        n=300,
        steps=150 if kind == "decoder" else 200,
        batch_size=8,
        optimizer={"kind": "adamw", "lr": lr},
    )
    figures = outcome.metrics["held_out_figures"]
    assert figures["loss"] < 0.3 < figures["baseline"]["unigram_entropy"]
    assert figures["exact"] > 0.8
    assert figures["chrf"] > figures["baseline"]["copying"]["chrf"]


@pytest.mark.slow
def test_a_translation_is_learned_from_the_models_own_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheduled sampling over a whole run: the share of own words rises in a line to a half and stays there, what is read in their
    place becomes right as the model does, and the task is learned all the same."""
    shares, right = [], []

    def noted(network: Any, batch: Any) -> Any:
        heard = with_own_words(network, batch)
        read_BT = (batch.weights_BT > 0) & (torch.arange(batch.weights_BT.shape[1]) > 0)
        assert not (batch.own_BT & ~read_BT).any()
        shares.append(float(batch.own_BT.sum() / read_BT.sum()))
        same_BT = heard.inputs.tokens_BT == batch.inputs.tokens_BT
        assert same_BT[~batch.own_BT].all()
        right.append(float(same_BT[batch.own_BT].float().mean()) if batch.own_BT.any() else 1.0)
        return heard

    monkeypatch.setattr(loss, "with_own_words", noted)
    task = {"kind": "seq2seq", "packed": False, "decay": {"steps": 100, "least": 0.5}}
    training = {"n": 300, "steps": 240, "batch_size": 16, "optimizer": {"kind": "adamw", "lr": 1e-2}, "validate_every": 80}
    outcome = bench("encoder-decoder", translations, task, **training)
    assert len(shares) == 240
    for first, expected in ((0, 0.145), (20, 0.345), (110, 0.5), (200, 0.5)):
        assert sum(shares[first : first + 30]) / 30 == pytest.approx(expected, abs=0.05), first
    assert sum(right[5:25]) / 20 + 0.2 < sum(right[-40:]) / 40
    rows = [json.loads(line) for line in (bench.out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["kind"] == "validation"]
    assert losses[-1] < losses[1] < losses[0] / 2
    figures = outcome.metrics["held_out_figures"]
    assert figures["loss"] < 0.5 * figures["baseline"]["unigram_entropy"]
    assert figures["chrf"] > figures["baseline"]["copying"]["chrf"]


def test_a_kill_changes_no_bit(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"n": 120, "steps": 30, "schedule": {"kind": "linear", "warmup": 4}, "checkpoint_every": 5, "validate_every": 10}
    bench("encoder", sentiments, {"kind": "classification"}, **more)
    whole, straight = hash_files(bench.out), bench.out.rename(tmp_path / "straight")
    batch = LabelledData.batch

    def killed(data: LabelledData, step: int) -> Any:
        if step == 13:
            raise KeyboardInterrupt
        return batch(data, step)

    monkeypatch.setattr(LabelledData, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        bench("encoder", sentiments, {"kind": "classification"}, **more)
    read: list[int] = []

    def noted(data: LabelledData, step: int) -> Any:
        read.append(step)
        return batch(data, step)

    monkeypatch.setattr(LabelledData, "batch", noted)
    bench("encoder", sentiments, {"kind": "classification"}, **more)
    assert read[0] == 10  # it went on from a checkpoint

    def kept(hashes: dict[str, str]) -> dict[str, str]:
        return {name: digest for name, digest in hashes.items() if not name.startswith("scratch/")}

    assert kept(hash_files(bench.out)) == kept(whole)
    assert (straight / "model.safetensors").read_bytes() == (bench.out / "model.safetensors").read_bytes()


def test_what_is_frozen_stays(bench: Bench) -> None:
    short: dict[str, Any] = {"n": 100, "steps": 12, "schedule": {"kind": "linear", "warmup": 2}}
    bench("encoder", sentiments, {"kind": "classification"}, rates={"frozen": ["embedding.*", "stack.blocks.0.*"]}, **short)
    before, after = (directory.load(path).network.state_dict() for path in (bench.folder / "base-encoder", bench.out))
    moved = {name for name, tensor in after.items() if name in before and not torch.equal(tensor, before[name])}
    assert moved
    assert not {name for name in moved if name.startswith(("embedding.", "stack.blocks.0."))}
    assert all(name in moved for name in after if name.startswith("stack.blocks.1.") and name.endswith("weight"))


def test_adapters_and_the_head_alone_learn_and_are_merged(bench: Bench) -> None:
    lora = {"rank": 4, "targets": ["stack.blocks.*.attention.*"]}
    outcome = bench("decoder", sentiments, {"kind": "classification"}, adapter=lora)
    assert outcome.metrics["held_out_figures"]["accuracy"] > 0.95
    before, after = (directory.load(path).network.state_dict() for path in (bench.folder / "base-decoder", bench.out))
    moved = {name for name, tensor in after.items() if name in before and not torch.equal(tensor, before[name])}
    assert moved
    assert all(".attention." in name for name in moved)
    assert (bench.out / "adapters.safetensors").is_file()
    assert outcome.metrics["learned_parameters"] < 0.5 * sum(tensor.numel() for tensor in after.values())


def test_the_dense_layer_that_pretraining_has_made_goes_on(bench: Bench) -> None:
    """BERT's pooler, which next-sentence prediction taught."""
    frozen = ["embedding.*", "stack.*", "output.dense.*"]
    bench(
        "encoder",
        sentiments,
        {"kind": "classification"},
        n=60,
        steps=6,
        schedule={"kind": "constant", "warmup": 2},
        rates={"frozen": frozen},
    )
    before, after = (directory.load(path).network.state_dict() for path in (bench.folder / "base-encoder", bench.out))
    assert torch.equal(after["output.dense.weight"], before["output.pool.weight"])


def test_what_does_not_fit_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="cannot learn seq2seq: an encoder writes no text"):
        bench("encoder", translations, {"kind": "seq2seq"})
    with pytest.raises(HeadwaterError, match="learned by one stack"):
        bench("encoder-decoder", sentiments, {"kind": "classification"})
    bare = train(Words(vocab_size=36, min_frequency=1), [EVERY] * 3)
    base(bench.folder / "base-bare", "encoder", bare).rename(tmp_path / "bare")
    with pytest.raises(HeadwaterError, match="need the special tokens cls, sep, which its tokenizer lacks"):
        bench("encoder", sentiments, {"kind": "classification"}, base=str(tmp_path / "bare"))
    with pytest.raises(HeadwaterError, match="all training examples have the value 3"):
        bench("decoder", lambda draw, n: ({"text": word, "label": 3} for word in PLAIN), {"kind": "regression"})


@pytest.mark.slow
def test_from_a_recipe(bench: Bench, headwater: Any, tmp_path: Path) -> None:
    """The base may be any model, and a changed base is another question."""
    block = bench.block("decoder", sentiments, {"kind": "classification"}, 80, steps=8, schedule={"kind": "linear", "warmup": 2})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"name": "t", "finetune": block}))
    done = headwater("run", recipe, "--workspace", tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stderr
    assert (tmp_path / "ws" / "finetune" / "predictions.jsonl").is_file()
    manifest = json.loads((tmp_path / "ws" / "finetune" / "manifest.json").read_text())
    assert "base/headwater.json" in manifest["user_files"]
    with pytest.raises(HeadwaterError, match=r"has no field 'stars'"):
        check(Finetune.model_validate({**block, "task": {"kind": "classification", "label_field": "stars"}}), Reporter())
    with pytest.raises(HeadwaterError, match="no linear layer is called 'x'"):
        check(Finetune.model_validate({**block, "adapter": {"targets": ["x"]}}), Reporter())


@pytest.mark.oracle
def test_transformers_reads_a_fine_tuned_bert_with_its_labels(bench: Bench) -> None:
    transformers = pytest.importorskip("transformers")
    shape = {
        "kind": "encoder", "layers": 2, "width": 32, "heads": 2, "context": 32, "biases": True, "positions": {"kind": "learned"},
        "feed_forward": {"kind": "gelu", "approximate": "none"}, "norm": {"kind": "layer", "place": "post"},
        "embedding": {"norm": True, "types": 2}, "head": {"kind": "mlm", "next_sentence": True},
    }  # fmt: skip
    config = ModelConfig.model_validate(shape).with_vocabulary(TOKENIZER.vocab_size)
    directory.save(bench.folder / "bert", config.build(1), config, TOKENIZER)
    rows = ({**row, "second": "the " + row["text"]} for row in sentiments(random.Random(1), 60))
    task = {"kind": "classification", "second_field": "second"}
    short: dict[str, Any] = {"steps": 8, "schedule": {"kind": "linear", "warmup": 2}}
    bench("encoder", lambda draw, n: rows, task, base=str(bench.folder / "bert"), **short)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(bench.out)
    assert type(theirs).__name__ == "BertForSequenceClassification"
    assert theirs.config.id2label == {0: "neg", 1: "pos"}
    model = directory.load(bench.out)
    how = TextRows.of(model.config, model.tokenizer)
    for answer in bench.answers:
        row = how.row(model.tokenizer.encode(answer["text"]), model.tokenizer.encode(answer["second"]))
        with torch.no_grad():
            logits_C = theirs(torch.from_numpy(row.tokens)[None], token_type_ids=torch.from_numpy(row.types)[None]).logits[0]
        assert theirs.config.id2label[int(logits_C.argmax())] == answer["said"]
        assert float(logits_C.softmax(dim=0).max()) == pytest.approx(answer["probability"], abs=1e-4)
