"""Which documents, lines and stretches say the same as others? In: the annotated corpus with its fingerprints. Out:

    groups.parquet    of each document in a group of two or more: place, group (its least place), kind, similarity
    spans.parquet     place, start, end (characters), kind: repeated_line, repeated_paragraph, repeated_substring
    duplicates.json   how many groups of which size, the largest with an excerpt, what each source would lose

Exact: equal digests. Near: what shares a band is proposed (candidates), the true Jaccard similarity decides (verify), and what
hangs together by such pairs is one group (components; stars where they are very many). A first round compares each document
with the first of its buckets; a second, of what these left apart, with its neighbours in larger buckets. Who of a group stays is
not decided here. Semantic, if asked for: of each group so far, and of what is in none, the first one's embedding (semantic).

Memory: here 13 bytes a document, 8 a pair; in each task a shard, a batch or a block. Tasks go through `run`, each writes a file
and none depends on another of its round, so the result depends neither on workers nor on their number.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, write_json
from headwater.corpus.annotated import Annotated
from headwater.corpus.duplicates.candidates import Columns, columns, different, find_pairs, merged, unpacked
from headwater.corpus.duplicates.components import alone, flatten, join, roots, strengthen
from headwater.corpus.duplicates.config import Duplicates, Near, Semantic
from headwater.corpus.duplicates.repeats import GROUP_OF, repeats
from headwater.corpus.duplicates.stars import unite
from headwater.corpus.duplicates.summary import summary
from headwater.corpus.duplicates.verify import Run, compare, gather

GROUPS = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),
        pa.field("group", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
    ]
)
KINDS = ("exact", "near", "code", "semantic")
EXACT, NEAR, CODE, SEMANTIC = range(4)


def relate(annotated: Annotated, config: Duplicates, folder: Path, run: Run, report: Reporter) -> None:
    """Write the three files into `folder`; `run` does tasks on the recipe's engine."""
    scratch = folder / "duplicates.scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    parent = alone(annotated.count)
    strongest = np.zeros(annotated.count, np.float32)
    kinds = np.full(annotated.count, EXACT, np.uint8)
    if config.exact:
        _exact(annotated, parent, scratch, run)
    if config.near is not None:
        _near(annotated, config, config.near, parent, strongest, kinds, scratch, run)
    if config.semantic is not None:
        _semantic(annotated, config.semantic, parent, strongest, kinds, scratch, run)
    flatten(parent)
    places, groups = _in_groups(parent)
    similarity = np.where(kinds[places] == EXACT, np.float32(1), strongest[places])
    table = pa.table([places, groups, pa.array(KINDS).take(pa.array(kinds[places])), similarity], schema=GROUPS)
    np.save(scratch / GROUP_OF, parent)
    del parent, strongest, kinds
    with disk_trouble(folder):
        pq.write_table(table, folder / "groups.parquet", compression="zstd")
    repeats(annotated, config, folder / "spans.parquet", scratch, run)
    with report.bar("describing duplicates", total=len(annotated.parts), unit="parts") as bar:
        figures = summary(annotated, places, groups, table.column("kind"), folder / "spans.parquet", bar.advance)
    write_json(folder / "duplicates.json", figures)
    shutil.rmtree(scratch)


def _exact(annotated: Annotated, parent: np.ndarray, scratch: Path, run: Run) -> None:
    tasks = columns(annotated, None, None, scratch)
    run(find_pairs, tasks, "finding exact duplicates")
    left, right = unpacked(merged(tasks, "star"))
    unite(parent, left, right, "exact", scratch, run)


def _near(annotated: Annotated, config: Duplicates, near: Near, parent: np.ndarray, strongest: np.ndarray, kinds: np.ndarray, scratch: Path,
          run: Run) -> None:  # fmt: skip
    """Of equal documents the first alone is compared with others."""
    copies = scratch / "copies.npy"
    np.save(copies, parent != np.arange(len(parent)))
    tasks = columns(annotated, near.bands, copies, scratch)
    run(find_pairs, tasks, "finding near duplicates")
    star = merged(tasks, "star")
    gather(annotated, different(np.concatenate(unpacked(star))), near, config.code, scratch, run)
    for name, pairs in (("first", star), ("second", None)):
        if pairs is None:
            pairs = _apart(tasks, star, parent)
        similarity, is_code = compare(pairs, name, near, config.code, scratch, run)
        same = similarity >= np.where(is_code, config.code.threshold if config.code else 1.0, near.threshold)
        left, right = unpacked(pairs[same])
        unite(parent, left, right, name, scratch, run)
        strengthen(strongest, left, right, similarity[same].astype(np.float32))
        for kind, tied in ((NEAR, ~is_code[same]), (CODE, is_code[same])):
            kinds[left[tied]] = kinds[right[tied]] = kind


def _apart(tasks: list[Columns], star: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """The pairs of windows that the first round neither compared nor brought together."""
    windows = np.setdiff1d(merged(tasks, "windows"), star, assume_unique=True)
    left, right = unpacked(windows)
    apart: np.ndarray = windows[roots(parent, left) != roots(parent, right)]
    return apart


def _semantic(annotated: Annotated, semantic: Semantic, parent: np.ndarray, strongest: np.ndarray, kinds: np.ndarray, scratch: Path,
              run: Run) -> None:  # fmt: skip
    """What ties a document by its words already stays on record as that."""
    from headwater.corpus.duplicates.semantic import ties

    grouped = scratch / "grouped.npy"
    np.save(grouped, parent != np.arange(len(parent)))
    for left, right, cosine in ties(annotated, semantic, grouped, scratch, run):
        join(parent, left, right)
        for side in (left, right):
            new = (kinds[side] == EXACT) | (kinds[side] == SEMANTIC)
            strengthen(strongest, side[new], side[new], cosine[new].astype(np.float32))
            kinds[side[new]] = SEMANTIC


def _in_groups(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in groups of two or more, ascending, and their groups."""
    child = parent != np.arange(len(parent))
    child[parent[child]] = True
    places = np.flatnonzero(child)
    return places, parent[places]
