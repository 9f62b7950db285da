"""A workspace as a run of the demo leaves it, made up in a second: realistic figures, English and Chinese, two incidents, hostile text."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from headwater.core.artifact import Artifact, Outcome, Request, Work, Workspace
from headwater.core.progress import Reporter
from headwater.core.storage import read_json, write_json
from headwater.tokens.config import BPE
from headwater.tokens.tokenizer import train

EVIL = "<script>alert('owned')</script><img src=https://evil.example/x.png onerror=alert(1)>"
ENGLISH = (
    "HAMLET.\nTo be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n"
    "The slings and arrows of outrageous fortune,\nOr to take arms against a sea of troubles,\nAnd by opposing end them."
)
CHINESE = (
    "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。"
    "汉朝自高祖斩白蛇而起义，一统天下，后来光武中兴，传至献帝，遂分为三国。"
)
STEPS = 800
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All seven stages."""
    return build(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture
def fresh(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The same, for tests that damage it."""
    return Workspace(shutil.copytree(workspace.root, tmp_path / "demo", symlinks=True))


def build(root: Path, stages: tuple[str, ...] = ("corpus", "tokenizer", "tokens", "pretrain", "sft", "evaluate", "release")) -> Workspace:
    workspace = Workspace(root)
    made: dict[str, Artifact] = {}
    for number, name in enumerate(stages):
        write, inputs, figure, config = STAGES[name]
        given = {other: made[other] for other in inputs if other in made}
        request = Request(
            stage=name,
            config=config,
            inputs={other: a.manifest.content for other, a in given.items()},
            user_files={"notes/essay one.txt": "77ab" * 8} if name == "corpus" else {},
            code={f"headwater.{name}.stage": "c0de" * 8, "numpy": "2.4.6"},
            resumes=name == "pretrain",
            run=_runner(write, figure, number),
        )
        made[name] = workspace.make(request, given, seed=1, report=Reporter())
    return workspace


def _runner(write: Callable[[Path], None], figure: str, number: int) -> Callable[[Work], Outcome]:
    def run(work: Work) -> Outcome:
        write(work.path)
        seconds = (41.2, 9.4, 6.1, 431.7, 96.0, 74.9, 8.3)[number]
        started = f"2026-11-22T03:{16 + number:02d}:07+00:00"
        write_json(
            work.journal / "time.json", {"started": started, "seconds": seconds, "peak_memory_bytes": 1_100_000_000 + number * 90_000_000}
        )
        write_json(work.journal / "environment.json", ENVIRONMENT)
        return Outcome({}, figure)

    return run


ENVIRONMENT = {
    "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
    "processor": "Intel(R) Xeon(R) Processor @ 2.70GHz",
    "bf16": ["amx_bf16", "avx512_bf16"],
    "cores": 2,
    "memory_gib": 7.8,
    "disk_free_gib": 41.0,
    "python": "3.11.7",
    "packages": {"headwater": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "pyarrow": "25.0.0", "tokenizers": "0.23.1"},
}


def _corpus(path: Path) -> None:
    (path / "documents").mkdir()
    rows = {
        "train": [
            ("shakespeare-1", ENGLISH * 3, "shakespeare", "en"),
            ("sanguo-1", CHINESE * 3, "sanguo", "zh"),
            ("web-9", EVIL, "web", "en"),
        ],
        "validation": [("shakespeare-2", ENGLISH, "shakespeare", "en"), ("sanguo-2", CHINESE + "🀄𠮷", "sanguo", "zh")],
    }
    for split, documents in rows.items():
        columns = {name: [row[place] for row in documents] for place, name in enumerate(("id", "text", "source", "language"))}
        pq.write_table(pa.table(columns), path / f"documents/{split}-00000.parquet")
    write_json(path / "funnel.json", read_json(HERE / "funnel.json"))


def _tokenizer(path: Path) -> None:
    tokenizer = train(BPE(vocab_size=420, min_frequency=1), [ENGLISH * 4, CHINESE * 4])
    (path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    write_json(
        path / "statistics.json",
        {
            "kind": "bpe",
            "vocab_size": 4096,
            "special_tokens": ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|turn|>"],
            "bytes_per_token": {"all": 3.4127, "en": 3.2211, "zh": 3.8902},
        },
    )


def _tokens(path: Path) -> None:
    write_json(
        path / "tokens.json",
        {
            "dtype": "uint16",
            "vocab_size": 4096,
            "end": 0,
            "splits": {
                "train": {"tokens": 2_538_812, "documents": 18_016, "bytes": 8_664_200},
                "validation": {"tokens": 133_661, "documents": 948, "bytes": 456_144},
            },
        },
    )


def _training(path: Path, start: float, end: float, name: str) -> None:
    rng = np.random.default_rng(3)
    metrics, timing, samples, norms = [], [], [], []
    for step in range(STEPS + 1):
        done = step / STEPS
        loss = end + (start - end) * math.exp(-6 * done) + 0.25 * (1 - done)
        if step % 100 == 0:
            bits = loss / math.log(2) / 3.41
            metrics.append(
                {
                    "kind": "validation",
                    "step": step,
                    "bits_per_byte": bits,
                    "loss": loss,
                    "by_language": {"en": bits * 1.06, "zh": bits * 0.91},
                }
            )
        if step == 0:
            continue
        noisy, norm = loss + 0.09 * rng.normal(), 0.5 + 2.5 * math.exp(-9 * done) + 0.08 * abs(rng.normal())
        rate = 1e-3 * min(step / 50, 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))
        if name == "pretrain" and step in (311, 540):
            reason = "the loss is nan" if step == 311 else "the loss is 7.402, above 4.95"
            documents = ["sanguo-1", "web-9", *[f"jionlp-{n}" for n in range(8)]] if step == 311 else ["shakespeare-1"]
            metrics.append(
                {
                    "kind": "incident",
                    "step": step,
                    "reason": reason,
                    "loss": None if step == 311 else 7.402,
                    "grad_norm": None if step == 311 else 88.1,
                    "documents": documents,
                }
            )
            noisy = None if step == 311 else 7.402
            if step == 540:
                metrics.append({"kind": "rollback", "step": 540, "to": 500, "number": 1, "reason": reason, "skipped_batches": [500, 540]})
        metrics.append({"kind": "train", "step": step, "tokens": step * 8192, "loss": noisy, "lr": rate, "grad_norm": norm})
        timing.append(
            {
                "step": step,
                "seconds": 0.52,
                "tokens_per_second": int(15_700 + 400 * rng.normal()),
                "memory_bytes": 1_300_000_000 + 40_000 * step,
                "resident_bytes": 1_100_000_000 + 30_000 * step,
                "data_seconds": 0.0026,
                "mfu": 0.131 + 0.004 * rng.normal(),
                "joules": 45.0,
            }
        )
        if step % 100 == 1:
            norms.append(_norms(step, done))
        if step % 200 == 0:
            samples += [
                {
                    "step": step,
                    "prompt": "HAMLET.",
                    "text": ("\nI do not know " + "the king of love, " * (step // 200)) + (EVIL if step == STEPS else ""),
                },
                {"step": step, "prompt": "却说", "text": "曹操引兵" + "大进，" * (step // 200) + "玄德曰：“此非吾所愿也。”"},
                {"step": step, "prompt": "", "text": "SCENE II. A room in the castle."},
            ]
    rows(path / "metrics.jsonl", metrics)
    rows(path / "samples.jsonl", samples)
    (path / "journal").mkdir(exist_ok=True)
    rows(path / "journal/timing.jsonl", timing)
    rows(path / "journal/norms.jsonl", norms)
    if name == "pretrain":
        _interventions(path)
    save_file({"embed": np.zeros((4096, 24), np.float32), "block": np.zeros((7, 11), np.float32)}, path / "model.safetensors")
    write_json(path / "config.json", {"num_hidden_layers": 8, "hidden_size": 256})


def _interventions(path: Path) -> None:
    """Two incidents, one of them of the machine's, and a steered run; the first report was written twice, as it grew."""
    (path / "incidents").mkdir()
    (path / "journal/incidents").mkdir()
    nan = {"kind": "refused", "step": 311, "reason": "the loss is nan", "done": "The update was left out. <i>Thrice</i>", "documents": []}
    flip = {"kind": "reload", "step": 97, "reason": "a bit of blocks.0.norm flipped in memory", "done": "Read again from step 90."}
    write_json(path / "incidents/0001.json", nan)
    write_json(path / "journal/incidents/0001.json", flip)
    logged = [("refused", 311, "incidents"), ("refused", 311, "incidents"), ("reload", 97, "journal/incidents")]
    rows(path / "journal/incidents.jsonl",
         [{"time": 0.0, "kind": kind, "step": step, "report": f"{folder}/0001.json"} for kind, step, folder in logged])  # fmt: skip
    steered = [{"step": 120, "set": {"optimizer.lr": 0.0003}, "do": [], "request": "a"}, {"step": 240, "set": {}, "do": ["save"]}]
    rows(path / "changes.jsonl", steered)


def _norms(step: int, done: float) -> dict[str, Any]:
    """Two layers: norms of 3 and 4 in each kind of part, so that 4.243 and 5.657 stand for both layers together."""
    names = ("embedding", "blocks.0.attention", "blocks.1.attention", "blocks.0.feed_forward", "blocks.1.feed_forward", "norms")
    parts = {name: {"gradient": 4.0 if "feed" in name else 3.0, "weight": 20.0, "update": 0.04 * (1 - done)} for name in names}
    activations = {
        f"blocks.{n}": {"rms": (n + 1) * (0.5 + done), "most": 3.0, "zeros": 0.5, "dead": 0.02 * n, "logit": 4.0 + n} for n in (0, 1)
    }
    return {"step": step, "parts": parts, "activations": activations}


def _pretrain(path: Path) -> None:
    _training(path, 8.3, 3.02, "pretrain")


def _sft(path: Path) -> None:
    _training(path, 4.1, 1.6, "sft")
    rows(
        path / "dialogues.train.jsonl",
        [{"id": "d1", "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]}],
    )


def rows(path: Path, found: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")


def _evaluate(path: Path) -> None:
    write_json(path / "evaluation.json", read_json(HERE / "evaluation.json"))


def _release(path: Path) -> None:
    write_json(
        path / "parity.json",
        {"proven": True, "max_difference": 2.14e-6, "tolerance": 1e-4, "against": "transformers 5.23.0", "tokens": 256},
    )


STAGES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str, dict[str, Any]]] = {
    "corpus": (
        _corpus,
        (),
        "18,964 documents, 9.1 MB",
        {"sources": [{"kind": "path", "path": "data/三国演义.json"}], "quality": {"words": {"length": {"min": 20}}}},
    ),
    "tokenizer": (_tokenizer, ("corpus",), "4,096 tokens, 3.41 bytes a token", {"kind": "bpe", "vocab_size": 4096}),
    "tokens": (_tokens, ("corpus", "tokenizer"), "2,538,812 tokens", {"dtype": "uint16"}),
    "pretrain": (_pretrain, ("tokens", "tokenizer"), "1.31 bits/byte after 800 steps", {"steps": STEPS, "optimizer": {"lr": 1e-3}}),
    "sft": (_sft, ("pretrain",), "loss 1.60 on 2,312 dialogues", {"steps": STEPS, "note": "</pre>" + EVIL}),
    "evaluate": (
        _evaluate,
        ("corpus", "tokens", "pretrain", "sft"),
        "1.32 bits/byte (5-gram 1.64), 97% of chat answers keep the template",
        {"documents": 2000},
    ),
    "release": (_release, ("sft", "pretrain"), "logits within 2.1e-06 of transformers'", {"tolerance": 1e-4}),
}
