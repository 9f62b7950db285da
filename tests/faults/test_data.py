"""A shard of tokens changes while a run reads it: a bit flips on the disk, bytes are exchanged, it is cut short, another takes its place.

Promised: no step is ever made of tokens that were not written. What is read is proven against the checksums that were written with it, at
each reading; the run ends with a sentence that names file and bytes, and when the shard is as it was, the same command goes on to the bits
of a run that nothing happened to. A file that is moved into its place while a run has the old one open does not disturb it. (That whole
artifacts are verified before a stage begins, and that other tokens are another run, is tested in tests/recipe/test_runner.py.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.storage import write_json
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens import shards as shards_module
from headwater.tokens.batch import Batch
from headwater.tokens.proven import checks_of
from headwater.tokens.reading import Windows
from headwater.tokens.shards import INDEX, Shards
from tests.faults.world import ROWS, SHAPE, bits, logs, run

pytestmark = pytest.mark.fault

COUNT = 200_000  # tokens: seven regions of 64 KiB


def write(folder: Path, seed: int = 0) -> Path:
    """A split of one document that counts, from another number every 40 tokens."""
    folder.mkdir(parents=True)
    starts = np.random.default_rng(seed).integers(0, 50, COUNT // 40)
    ids = ((starts[:, None] + np.arange(40)) % 50).astype("<u2")
    ids.tofile(folder / "train.bin")
    checks_of(folder / "train.bin").tofile(folder / "train.checks")
    row = {"id": ["d"], "source": ["s"], "language": ["en"], "start": [0], "length": [COUNT], "bytes": [COUNT]}
    pq.write_table(pa.table(row, schema=INDEX), folder / "train.documents.parquet")
    write_json(folder / "tokens.json", {"dtype": "<u2", "vocab_size": 50, "splits": {"train": {"tokens": COUNT}}})
    return folder


class Shard:
    """Batches of a split on disk; `disturb` is called before the batch at `when`."""

    def __init__(self, folder: Path, when: int = -1, disturb: Callable[[], None] = lambda: None) -> None:
        self.windows = Windows(Shards.open(folder, "train"), SHAPE.context, 0)
        self.when, self.disturb = when, disturb
        self.read: list[int] = []

    def batch(self, place: int) -> Batch:
        if place == self.when:
            self.disturb()
        batch = causal_rows(self.windows.rows(ROWS * place, ROWS).astype(np.int64), end=0, across_documents=True)
        self.read.append(place)
        return batch

    def documents(self, place: int) -> list[str]:
        return ["d"]


def at(shard: Path, place: int) -> int:
    """The byte that begins the first row of a batch."""
    return 2 * Windows(Shards.open(shard, "train"), SHAPE.context, 0).start(ROWS * place)


def flip(file: Path, byte: int) -> None:
    with open(file, "r+b") as handle:
        handle.seek(byte)
        old = handle.read(1)[0]
        handle.seek(byte)
        handle.write(bytes([old ^ 1]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder / "run", Shard(write(folder / "tokens")))[0]  # type: ignore[arg-type]


def test_a_flipped_bit_ends_the_run_before_it_is_learned(undisturbed: tuple[Path, Network], tmp_path: Path) -> None:
    """Batch 17 has it; the flip comes after the run has begun and verified all it could. Flipped back, the run goes on."""
    shard = write(tmp_path / "tokens")
    file, byte = shard / "train.bin", at(shard, 17)
    data: Any = Shard(shard, when=11, disturb=lambda: flip(file, byte))
    region = byte // 65536 * 65536
    with pytest.raises(HeadwaterError, match=f"train.bin: bytes {region:,} to .* are not those that were written; delete its folder"):
        run(tmp_path / "run", data)
    assert max(data.read) <= 16
    flip(file, byte)
    network, _ = run(tmp_path / "run", Shard(shard))  # type: ignore[arg-type]
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path / "run") == logs(undisturbed[0] / "run")


def test_unproven_the_same_bit_is_learned(undisturbed: tuple[Path, Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read through a plain memory map, nobody says anything, and the weights are others."""
    monkeypatch.setattr(shards_module, "Proven", lambda path, dtype, checks: np.memmap(path, dtype, "r"))
    shard = write(tmp_path / "tokens")
    file, byte = shard / "train.bin", at(shard, 17)
    network, _ = run(tmp_path / "run", Shard(shard, when=11, disturb=lambda: flip(file, byte)))  # type: ignore[arg-type]
    assert bits(network) != bits(undisturbed[1])


def test_bytes_exchanged_in_place_are_not_learned(tmp_path: Path) -> None:
    """Another run's tokens are copied over these, as long and as well-formed, checksums and all: those in memory count."""
    shard, other = write(tmp_path / "tokens"), write(tmp_path / "others", seed=1)

    def exchange() -> None:
        for name in ("train.bin", "train.checks"):
            (shard / name).write_bytes((other / name).read_bytes())

    data: Any = Shard(shard, when=9, disturb=exchange)
    with pytest.raises(HeadwaterError, match=r"train\.bin: bytes .* are not those that were written"):
        run(tmp_path / "run", data)
    assert data.read == list(range(9))


def test_a_stale_shard_beside_new_checksums_is_found_when_it_is_read(tmp_path: Path) -> None:
    shard, other = write(tmp_path / "tokens"), write(tmp_path / "others", seed=1)
    shutil.copy(other / "train.bin", shard / "train.bin")
    data: Any = Shard(shard)
    with pytest.raises(HeadwaterError, match=r"train\.bin: bytes .* are not those that were written"):
        run(tmp_path / "run", data)
    assert not data.read


def test_what_is_moved_into_its_place_does_not_disturb_a_run(undisturbed: tuple[Path, Network], tmp_path: Path) -> None:
    shard, other = write(tmp_path / "tokens"), write(tmp_path / "others", seed=1)
    network, _ = run(tmp_path / "run", Shard(shard, 9, lambda: os.replace(other / "train.bin", shard / "train.bin")))  # type: ignore[arg-type]
    assert bits(network) == bits(undisturbed[1])


def test_a_shard_that_is_cut_short_is_a_sentence(tmp_path: Path) -> None:
    """While it is read (through a memory map the process would die of SIGBUS), and before."""
    shard = write(tmp_path / "tokens")
    with pytest.raises(HeadwaterError, match=r"train\.bin: bytes .* are not all there: the file was cut short"):
        run(tmp_path / "run", Shard(shard, 9, lambda: os.truncate(shard / "train.bin", 1000)))  # type: ignore[arg-type]
    with pytest.raises(HeadwaterError, match=r"train\.bin: is missing or cut short"):
        Shard(shard)
