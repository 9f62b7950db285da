"""A workspace as a run of the demo leaves it, made up in a second: realistic figures, English and Chinese, two incidents, hostile text."""

from __future__ import annotations

import json
import math
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
from headwater.core.storage import write_json
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


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All seven stages."""
    return build(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    """The same, for tests that damage it."""
    return build(tmp_path / "demo")


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
    write_json(path / "funnel.json", FUNNEL)


def _example(id: str, excerpt: str, value: float, threshold: float) -> dict[str, Any]:
    return {"id": id, "excerpt": excerpt, "value": value, "threshold": threshold}


NAVIGATION = "pygame documentation » pygame.sprite\nnext | previous | modules | index\nCopyright 2000-2023, pygame developers."
FUNNEL = {
    "steps": [
        {"step": "read", "documents": 21_310, "bytes": 14_830_112, "removed": {}},
        {
            "step": "extract",
            "documents": 21_302,
            "bytes": 12_904_555,
            "removed": {"empty": {"documents": 8, "bytes": 0, "examples": [_example("pygame/genindex.html", "", 1.0, 0.0)]}},
        },
        {"step": "normalise", "documents": 21_302, "bytes": 12_899_871, "removed": {}},
        {
            "step": "language",
            "documents": 21_261,
            "bytes": 12_871_090,
            "removed": {
                "language": {
                    "documents": 41,
                    "bytes": 28_781,
                    "examples": [_example("chatterbot/42", "Ich verstehe nicht ganz.", 0.08, 0.2)],
                }
            },
        },
        {
            "step": "quality",
            "documents": 20_777,
            "bytes": 12_630_502,
            "removed": {
                "length": {
                    "documents": 391,
                    "bytes": 9_180,
                    "examples": [_example("jionlp/7", "十五个吊桶打水", 21, 30), _example("web-3", EVIL, 4, 20)],
                },
                "duplicate_lines": {"documents": 93, "bytes": 231_408, "examples": [_example("pygame/sprite.html", NAVIGATION, 0.44, 0.3)]},
            },
        },
        {
            "step": "duplicates",
            "documents": 18_964,
            "bytes": 9_120_344,
            "removed": {
                "exact": {"documents": 1_322, "bytes": 2_018_112, "examples": [_example("shakespeare/ham_gut_f.txt", ENGLISH[:300], 1, 1)]},
                "near": {
                    "documents": 491,
                    "bytes": 1_492_046,
                    "examples": [_example("shakespeare/oth.txt", "OTHELLO.\n'Tis better as it is.", 0.91, 0.8)],
                },
            },
        },
    ],
    "by_source": {
        "shakespeare": {"read": {"documents": 1_204, "bytes": 9_800_000}, "kept": {"documents": 800, "bytes": 5_310_000}},
        "sanguo": {"read": {"documents": 120, "bytes": 1_812_334}, "kept": {"documents": 120, "bytes": 1_812_001}},
        "jionlp": {"read": {"documents": 17_151, "bytes": 1_004_000}, "kept": {"documents": 16_402, "bytes": 961_000}},
        "<b>web</b>": {"read": {"documents": 2_835, "bytes": 2_213_778}, "kept": {"documents": 1_642, "bytes": 1_037_343}},
    },
    "by_language": {"en": {"documents": 2_310, "bytes": 6_102_400}, "zh": {"documents": 16_654, "bytes": 3_017_944}},
    "splits": {"train": {"documents": 18_016, "bytes": 8_664_200}, "validation": {"documents": 948, "bytes": 456_144}},
    "bad_rows": {"chatterbot/english/ai.jsonl": 3},
}


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
    metrics, timing, samples = [], [], []
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
        metrics.append({"kind": "train", "step": step, "tokens": step * 8192, "loss": noisy, "lr": rate, "grad_norm": norm})
        timing.append(
            {
                "step": step,
                "seconds": 0.52,
                "tokens_per_second": int(15_700 + 400 * rng.normal()),
                "memory_bytes": 1_300_000_000 + 40_000 * step,
            }
        )
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
    save_file({"embed": np.zeros((4096, 24), np.float32), "block": np.zeros((7, 11), np.float32)}, path / "model.safetensors")
    write_json(path / "config.json", {"num_hidden_layers": 8, "hidden_size": 256})


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
    write_json(path / "evaluation.json", EVALUATION)


def _bits(bits: float, error: float, documents: int, size: int) -> dict[str, Any]:
    return {"bits_per_byte": bits, "standard_error": error, "documents": documents, "bytes": size, "tokens": size // 3}


def _sample(prompt: str, text: str, match: str, document: str) -> dict[str, Any]:
    return {"prompt": prompt, "text": text, "longest_match": {"characters": len(match), "text": match, "document": document}}


CHOICES = ["And by opposing end them.", "Enter Rosencrantz and Guildenstern.", "What say you to this?", "Exeunt."]
EVALUATION = {
    "perplexity": {
        "rule": "each document alone after the end token; windows of 256 tokens every 128; bits of the closing end token are counted",
        "model": {
            "all": _bits(1.31742, 0.01213, 948, 456_144),
            "en": _bits(1.40018, 0.01512, 116, 305_500),
            "zh": _bits(1.15021, 0.02104, 832, 150_644),
        },
        "ngram": {
            "order": 5,
            "all": _bits(1.63811, 0.01398, 948, 456_144),
            "en": _bits(1.72204, 0.01633, 116, 305_500),
            "zh": _bits(1.46833, 0.0221, 832, 150_644),
        },
        "gain": {"bits_per_byte": 0.32069, "standard_error": 0.00711},
    },
    "beats_ngram": True,
    "tasks": [
        {
            "name": "continuation, 2 shots",
            "kind": "continuation",
            "shots": 2,
            "metric": "acc_norm",
            "value": 0.41,
            "standard_error": 0.04918,
            "chance": 0.25,
            "count": 100,
            "acc": 0.38,
            "by_language": {
                "en": {"value": 0.44, "standard_error": 0.0702, "chance": 0.25, "count": 50},
                "zh": {"value": 0.38, "standard_error": 0.0686, "chance": 0.25, "count": 50},
            },
            "examples": [
                {
                    "prompt": "Or to take arms against a sea of troubles,",
                    "language": "en",
                    "choices": CHOICES,
                    "nats_per_byte": [0.91, 1.22, 1.4, 1.61],
                    "truth": 0,
                    "right": True,
                }
            ],
        },
        {
            "name": "completion, 0 shots",
            "kind": "completion",
            "shots": 0,
            "metric": "chrF",
            "value": 0.1831,
            "standard_error": 0.0098,
            "chance": 0.1302,
            "count": 64,
            "by_language": {},
            "examples": [{"prompt": "却说曹操", "language": "zh", "answer": "引兵而去", "truth": "引军而还", "score": 0.31}],
        },
        {"name": "naming <i>", "kind": "completion", "shots": 0, "skipped": "only 4 of 948 held-out documents give a question"},
    ],
    "chat": {
        "rate": 0.97,
        "standard_error": 0.01706,
        "count": 100,
        "failures": {"not ended": 2, "special token inside": 1},
        "examples": [
            {"prompt": "What is a computer?", "answer": "A computer is a machine that " + "computes and " * 9, "failure": "not ended"},
            {"prompt": "你是谁？", "answer": "我是一个小小的语言模型。", "failure": None},
            {"prompt": EVIL, "answer": EVIL, "failure": None},
        ],
    },
    "samples": [
        _sample(
            "HAMLET.",
            "\nO, what a noble mind is here the king's,\nAnd all the rest is silence of the court.",
            "what a noble mind is here ",
            "shakespeare-1",
        ),
        _sample("", "却说玄德引兵而进，正遇曹操大军。操曰：“吾知玄德非久居人下者也。”遂令夏侯惇为先锋。", "却说玄德引兵", "sanguo-1"),
        _sample("", EVIL, "<script>", "web-9"),
    ],
    "human_match": {
        "characters": 17.4,
        "standard_error": 1.9,
        "longest": 41,
        "count": 3,
        "samples": {"characters": 19.1, "standard_error": 4.2, "longest": 26},
        "examples": [],
    },
}


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
