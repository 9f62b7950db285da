"""Talking to a model: streams, remembers, forgets the oldest when the context is full, ends cleanly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.cli import chat
from headwater.cli.chat import answer
from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cpu_has_bf16
from headwater.generation.sampling import Sampling
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.tokens.chat import Message
from headwater.tokens.config import Bytes
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])
SHAPE = ModelConfig(layers=1, width=32, heads=2, context=64).with_vocabulary(BYTES.vocab_size)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    directory.save(folder, SHAPE.build(1), SHAPE, BYTES, TEMPLATE)
    return folder


def test_one_answer_and_the_same_again(headwater: Any, path: Path) -> None:
    first = headwater("chat", path, "--prompt", "你好", "--max-tokens", 8, "--seed", 3)
    second = headwater("chat", path, "--prompt", "你好", "--max-tokens", 8, "--seed", 3)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert first.stdout.endswith("\n")


def test_a_dialogue_from_standard_input(headwater: Any, path: Path) -> None:
    done = headwater("chat", path, "--max-tokens", 4, "--temperature", 0, input="hi\n/new\nhi\n\n/quit\nnever read\n")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second  # a new dialogue knows nothing of the one before


def test_a_dialogue_that_outgrows_the_context_goes_on(path: Path) -> None:
    """The oldest turns are dropped, the system's word and the last question stay."""
    model = directory.load(path)
    opening = [Message(role="system", content="be brief")]
    long = [Message(role="assistant" if place % 2 else "user", content=f"turn {place} " + "x" * 20) for place in range(9)]
    seen = []
    short = [*opening, long[-1]]
    greedy = Sampling(temperature=0.0, max_tokens=5)
    seen.append("".join(answer(model, [*opening, *long], greedy, 0)))
    seen.append("".join(answer(model, short, greedy, 0)))
    assert seen[0] == seen[1]


def test_a_model_without_a_template_is_told_apart(headwater: Any, tmp_path: Path) -> None:
    directory.save(tmp_path, SHAPE.build(1), SHAPE, BYTES)
    done = headwater("chat", tmp_path, "--prompt", "hi")
    assert done.returncode == 2
    assert "has no chat template: it was not fine-tuned; use `headwater generate`" in done.stderr


def test_generate_from_a_prompt_and_from_nothing(headwater: Any, path: Path) -> None:
    done = headwater("generate", path, "--prompt", "-", "--max-tokens", 4, input="却说")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("却说")
    several = headwater("generate", path, "--count", 2, "--max-tokens", 4, "--json")
    assert len(several.stdout.splitlines()) == 2


@pytest.mark.skipif(not cpu_has_bf16(), reason="no bf16 units")
@pytest.mark.parametrize("verb", ["chat", "generate"])
def test_products_in_bf16(headwater: Any, path: Path, verb: str) -> None:
    done = headwater(verb, path, "--prompt", "却说", "--max-tokens", 20, "--precision", "bf16")
    assert done.returncode == 0, done.stderr
    wrong = headwater(verb, path, "--prompt", "却说", "--precision", "fp8")
    assert wrong.returncode == 2 and "--precision" in wrong.stderr


def test_bf16_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "cpu_has_bf16", lambda: False)
    with chat.multiplying("fp32"):
        assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(HeadwaterError, match=r"--precision: this processor has no bf16 units"):
        chat.multiplying("bf16")


def test_bytes_that_are_no_text(headwater: Any, path: Path) -> None:
    """A prompt that is not UTF-8 is mended where it can be and refused in one sentence where it cannot."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "headwater"]
    done = subprocess.run([*command, "generate", str(path), "--max-tokens", "3", "--prompt", b"\xff\xfe a"], capture_output=True)
    assert done.returncode == 0, done.stderr
    piped = subprocess.run([*command, "generate", str(path), "--prompt", "-"], input=b"\xff\xfe bad", capture_output=True)
    assert piped.returncode == 2
    assert b"standard input: is not UTF-8 text" in piped.stderr


def test_closed_standard_input(path: Path) -> None:
    import subprocess
    import sys

    command = f"{sys.executable} -m headwater chat {path} <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_control_characters_do_not_reach_the_terminal() -> None:
    from headwater.cli.chat import shown

    assert shown("a\x1b[31mb\x07\tc\nd\x9b") == "a[31mb\tc\nd"


def test_a_weight_that_flipped_is_noticed(headwater: Any, path: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-100] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    done = headwater("chat", copy, "--prompt", "hi")
    assert done.returncode == 2
    assert "model.safetensors: was changed after it was written" in done.stderr
