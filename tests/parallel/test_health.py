"""A machine that computes wrongly, or forgets what was written, does not join; and not again before somebody lets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headwater.parallel import health
from headwater.parallel.group import Group
from headwater.parallel.health import UnhealthyError, admit, known_product, memory_fault, product_fault, together


@pytest.mark.parametrize("side", [3, 48, 100, 512])
def test_the_known_answer_is_right_and_exact(side: int) -> None:
    left, right, answer = known_product(side)
    assert torch.equal(left @ right, answer)
    for dtype in (torch.float32, torch.bfloat16):
        assert all(torch.equal(matrix.to(dtype).double(), matrix) for matrix in (left, right, answer))


def test_a_sound_machine_is_let_in(tmp_path: Path) -> None:
    admit(tmp_path)
    together(Group())
    assert not list(tmp_path.iterdir())


@pytest.mark.fault
def test_one_wrong_bit_of_a_product_keeps_a_machine_out_until_somebody_lets_it_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def erring(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        found = left @ right
        found.view(torch.int16 if found.element_size() == 2 else torch.int32)[17, 3] ^= 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(health, "product", erring)
        with pytest.raises(
            UnhealthyError, match=r"node7: this machine does not join: 1 of .* elements of a float32 matrix product are wrong"
        ) as error:
            admit(tmp_path, "node7")
    assert error.value.code == 3
    admit(tmp_path, "node8")
    with pytest.raises(UnhealthyError, match="node7: this machine is in quarantine: 1 of"):
        admit(tmp_path, "node7")
    (tmp_path / "quarantine" / "node7.json").unlink()
    admit(tmp_path, "node7")


@pytest.mark.fault
def test_a_byte_that_sticks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def sticking(block: torch.Tensor, pattern: int) -> None:
        block.fill_(pattern)
        block[12_345] |= 0x08

    monkeypatch.setattr(health, "write", sticking)
    assert memory_fault() == f"1 of {health.MEMORY:,} bytes of memory did not keep the pattern 0x00"
    assert product_fault() is None


@pytest.mark.fault
def test_a_sum_that_arrives_wrong_is_found() -> None:
    class Deaf(Group):
        size = 2

    with pytest.raises(UnhealthyError, match="the sum over 2 processes is wrong"):
        together(Deaf())
