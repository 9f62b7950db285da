"""A small world for tests: some text, some dialogues, and a recipe that turns them into a model in seconds."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

# Workers that stand beside each other share the cores: threads that spin at barriers for one without a core make all of them ten times
# slower (docs/history.md). It must be said before torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

WORDS = ["river", "stone", "light", "water", "mountain", "bridge", "song", "winter", "garden", "letter", "window", "harbour", "silver"]
CHINESE = "山水风云日月江河花草树木春夏秋冬天地人心书剑酒茶路桥"


def sentence(draw: random.Random) -> str:
    words = [draw.choice(WORDS) for _ in range(draw.randint(5, 12))]
    return " ".join([words[0].capitalize(), *words[1:]]) + "."


def chinese_sentence(draw: random.Random) -> str:
    return "".join(draw.choice(CHINESE) for _ in range(draw.randint(6, 14))) + "。"


@pytest.fixture
def threads() -> Iterator[None]:
    """Torch's number of threads is put back."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `text/*.txt` (80 English, 40 Chinese documents), `dialogues.jsonl` (120) and `recipe.yaml`."""
    folder = tmp_path_factory.mktemp("world")
    draw = random.Random(7)
    (folder / "text").mkdir()
    for number in range(120):
        make = chinese_sentence if number % 3 == 0 else sentence
        text = "\n".join(" ".join(make(draw) for _ in range(4)) for _ in range(4))
        (folder / "text" / f"{number:03}.txt").write_text(text + "\n", encoding="utf-8")
    with open(folder / "dialogues.jsonl", "w", encoding="utf-8") as file:
        for number in range(120):
            question = f"What is number {number}?" if number % 2 else f"第{number}是什么？"
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": f"It is {draw.choice(WORDS)}."}]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    training = {"batch_size": 4, "schedule": {"warmup": 4}, "validate_every": 10, "sample_every": 20, "checkpoint_every": 5}
    recipe = {
        "name": "small",
        "corpus": {
            "sources": [{"path": str(folder / "text" / "*.txt")}],
            "language": {"model": None},
            "duplicates": {"near": None},
            "holdout": {"fraction": 0.1},
        },
        "tokenizer": {"kind": "bpe", "vocab_size": 400},
        "tokens": {},
        "pretrain": {"model": {"layers": 2, "width": 32, "heads": 2, "context": 64}, "steps": 40, "prompts": ["The"], **training},
        "sft": {"sources": [{"path": str(folder / "dialogues.jsonl")}], "steps": 30, "prompts": ["Hello"], **training},
        "evaluate": {"chat": {"answers": 4, "max_tokens": 16}, "samples": {"count": 2, "max_tokens": 16}, "documents": 8,
                     "tasks": [{"kind": "continuation", "questions": 6}]},
        "release": {},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder


Headwater = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def headwater() -> Headwater:
    """Run the command line in a process of its own."""

    def call(*arguments: object, timeout: float = 240, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}  # type: ignore[dict-item]
        command: Sequence[str] = [sys.executable, "-m", "headwater", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, **options)  # type: ignore[call-overload, no-any-return]

    return call
