"""A bit flips in memory between two steps.

Promised: a flip in a weight is found before the next update (in a moment or an average: every `verify_moments_every` steps, by default
8, so that seven in eight are not looked for), the run goes back to its newest snapshot and through the same batches again, and all that
is hashed of it (weights, metrics, samples) ends byte for byte as if nothing had happened. Memory that keeps failing ends the run with
one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.network import Network
from headwater.parallel.layout import local
from headwater.tokens.batch import Batch
from headwater.training.config import EMA, Training
from headwater.training.loop import Trained
from headwater.training.loss import token_loss
from tests.faults.world import SHAPE, Counting, bits, changed, flip, logs, rows_of, run
from tests.parallel.processes import CONFIG as PAIR
from tests.parallel.processes import Told, learn, together, values

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Trained]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return (folder, *run(folder, Counting()))


def weight(network: Network, part: str = "stack.blocks.0") -> torch.Tensor:
    return next(parameter for name, parameter in network.named_parameters() if name.startswith(part) and parameter.ndim == 2)


def once(places: list[int], act: Callable[[], None]) -> Callable[[int], None]:
    """Acts before the batches at these places, each time but once: a ray does not come again because a step is done again."""
    left = list(places)

    def before(place: int) -> None:
        if place in left:
            left.remove(place)
            act()

    return before


def reloads(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((folder / "journal" / "incidents").glob("*.json"))]


@pytest.mark.parametrize("bit", [0, 12, 23, 30, 31], ids=["last", "middle", "exponent", "largest", "sign"])
def test_a_flipped_weight_is_found_and_the_run_ends_with_equal_bits(
    undisturbed: tuple[Path, Network, Trained], tmp_path: Path, capsys: Any, bit: int
) -> None:
    """Even the last bit of a mantissa, which no loss would ever show."""
    network = SHAPE.build(1)
    data = Counting(before=once([17], lambda: flip(weight(network), 5, bit)))
    _, trained = run(tmp_path, data, network=network)
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])
    assert trained == undisturbed[2]
    [row] = reloads(tmp_path)
    assert (row["step"], row["to"], row["tensor"].split(".")[:2]) == (17, 14, ["stack", "blocks"])
    assert data.read == [*range(18), *range(14, 30)]
    assert "flipped in memory after step 17; going through the steps after 14 once more" in capsys.readouterr().err


@pytest.mark.parametrize("bit", [23, 30])
def test_unverified_the_same_flip_spoils_the_weights(undisturbed: tuple[Path, Network, Trained], tmp_path: Path, bit: int) -> None:
    """The guard off: nobody says anything, and the run ends with other weights."""
    network = SHAPE.build(1)
    config = changed(guard={"verify_every": 0, "threshold": 1e9})
    run(tmp_path, Counting(before=once([17], lambda: flip(weight(network), 5, bit))), config, network)
    assert bits(network) != bits(undisturbed[1])
    assert not (tmp_path / "journal" / "incidents").exists()


def test_before_the_first_snapshot_the_run_begins_again(undisturbed: tuple[Path, Network, Trained], tmp_path: Path) -> None:
    network = SHAPE.build(1)
    run(tmp_path, Counting(before=once([0, 3], lambda: flip(weight(network)))), network=network)
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])
    assert [row["to"] for row in reloads(tmp_path)] == [0, 0]


def test_many_flips_over_a_run(undisturbed: tuple[Path, Network, Trained], tmp_path: Path) -> None:
    network = SHAPE.build(1)
    run(tmp_path, Counting(before=once([5, 9, 16, 16, 24], lambda: flip(weight(network, "embedding"), 7, 22))), network=network)
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])
    assert len(reloads(tmp_path)) == 5


def test_a_flip_is_not_kept_in_a_checkpoint(undisturbed: tuple[Path, Network, Trained], tmp_path: Path) -> None:
    """It comes while held-out text is looked at (step 20) or after the last update (step 30), before the state is written."""
    for step, name in ((20, "between"), (30, "last")):
        network = SHAPE.build(1)
        config = changed(checkpoint_every=10)
        left = [step]

        def sampled(network: Network = network, left: list[int] = left, step: int = step, folder: Path = tmp_path / name) -> Any:
            if left and (folder / "metrics.jsonl").read_text().count('"validation"') == 1 + step // 10:
                left.clear()
                flip(weight(network), 1, 30)
            return [("p", "t")]

        run(tmp_path / f"{name}-whole", Counting(), config, whole := SHAPE.build(1))
        run(tmp_path / name, Counting(), changed(checkpoint_every=10, sample_every=10), network, sample=sampled)
        assert not left
        assert bits(network) == bits(whole)


def test_a_flipped_moment_and_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where these are verified at each step: no weight shows it until the next update, and the average does not before the end."""
    from headwater.training import loop

    config = changed(average=EMA(decay=0.9))
    whole, _ = run(tmp_path / "whole", Counting(), config)
    held: list[Any] = []
    made = loop.Run
    monkeypatch.setattr(loop, "Run", lambda *parts: held.append(made(*parts)) or held[-1])
    for kind, choose in (
        ("moment", lambda: next(tensor for name, tensor in held[-1].optimizers.state().items() if name.endswith("exp_avg_sq"))),
        ("average", lambda: next(iter(held[-1].average.mean.values()))),
    ):
        network, _ = run(tmp_path / kind, Counting(before=once([11], lambda choose=choose: flip(choose(), 3, 28))), config)
        assert bits(network) == bits(whole)
        assert [row["tensor"].split()[0] for row in reloads(tmp_path / kind)] == [kind]


def test_memory_that_keeps_failing_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    """At each reading of batch 12: three times from one snapshot, and then no more. The checkpoint before it is whole."""
    network = SHAPE.build(1)
    data = Counting(before=lambda place: flip(weight(network)) if place == 12 else None)
    with pytest.raises(
        HeadwaterError, match=r"the machine's memory is failing: stack\.blocks\..* changed after step 12 .*; run the same command again"
    ):
        run(tmp_path, data, network=network)
    assert data.read.count(12) == 4
    assert [row["kind"] for row in reloads(tmp_path)] == ["reload", "reload", "reload", "lost"]
    again, _ = run(tmp_path, Counting())
    whole, _ = run(tmp_path / "whole", Counting())
    assert bits(again) == bits(whole)


def test_what_changes_weights_on_purpose_is_no_fault(tmp_path: Path) -> None:
    """Averages lent for validation, a rollback, changed settings, a resumed run."""
    config = changed(average=EMA(decay=0.9), guard={"patience": 2}, changes=[{"step": 9, "set": {"optimizer.lr": 2e-3}}], validate_every=3)
    with pytest.raises(MemoryError):
        run(tmp_path, Counting(before=_die_at(20), blank={12, 13}), config)
    run(tmp_path, Counting(blank={12, 13}), config)
    assert len(rows_of(tmp_path, "rollback")) == 1
    assert not (tmp_path / "journal" / "incidents").exists()


def _die_at(step: int) -> Callable[[int], None]:
    def before(place: int) -> None:
        if place == step:
            raise MemoryError("killed")

    return before


def flipping(rank: int, folder: Path, config: Training, flips: bool) -> Told:
    """Once, in the last process's part of a weight."""
    passes = 0

    def loss(network: Network, batch: Batch) -> torch.Tensor:
        nonlocal passes
        passes += network.training
        if flips and passes == 7 and network.training:
            mine = local(dict(network.named_parameters())["stack.blocks.1.attention.out.weight"])
            if rank == torch.distributed.get_world_size() - 1:
                flip(mine, 3, 12)
        return token_loss(network, batch)

    return learn(folder, config, rank=rank, loss=loss)


@pytest.mark.slow
def test_a_flip_in_one_of_two_processes_takes_both_back(tmp_path: Path) -> None:
    config = Training.model_validate({**PAIR.model_dump(), "checkpoint_every": 4})
    whole = values(together(2, flipping, tmp_path / "whole", config, False))
    mended = values(together(2, flipping, tmp_path / "mended", config, True))
    assert [each.bits for each in mended] == [each.bits for each in whole]
    assert mended[0].losses == whole[0].losses
    assert [each.read.count(4) for each in mended] == [each.read.count(4) + 1 for each in whole]
    assert [row["to"] for row in reloads(tmp_path / "mended" / "rank-0")] == [4]
