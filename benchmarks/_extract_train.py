"""Train the block classifier of headwater/corpus/extract/forest.py; writes blocks.npz beside that file.

    HEADWATER_PEERS=<folder with a checkout of trafilatura> python benchmarks/_extract_train.py

Pages: the development half of trafilatura's evaluation pages (benchmarks/corpus_extract.py `half`); the other half is not touched.
Labels of blocks: 1 or 0 where a snippet that people marked as wanted or unwanted stands in them (weight GOLD); elsewhere whether
trafilatura kept the text (full weight where its thorough and its fast setting agree, less for short blocks). The second forest is
trained on opinions of first forests that did not see the page (4 folds). Takes about a minute.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
from _peer import environment
from corpus_extract import PEER, Page, evaluation_pages, half, scores

from headwater.corpus.extract import forest
from headwater.corpus.extract.blocks import END, START
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.features import features
from headwater.corpus.extract.guard import prepared
from headwater.corpus.extract.page import parsed
from headwater.corpus.extract.scan import Scanned
from headwater.corpus.read.decode import decode

SELECTOR = ", ".join(Extract().skip)
GOLD = 10.0
FOLDS = 4
ROUNDS = {1: 150, 2: 100}
LIGHTGBM = """
import json, sys
import lightgbm, numpy as np
data = np.load(sys.argv[1])
X, y, w, fold = (data[name] for name in "Xywf")
settings = {"objective": "binary", "num_leaves": 15, "max_depth": 6, "learning_rate": 0.08, "min_data_in_leaf": 40, "feature_fraction": 0.4,
            "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5, "verbose": -1, "num_threads": 1, "seed": 1,
            "deterministic": True, "force_row_wise": True}
def fit(keep):
    return lightgbm.train(settings, lightgbm.Dataset(X[keep], y[keep], weight=w[keep]), int(sys.argv[3]))
unseen = np.zeros(len(y), np.float32)
for number in range(fold.max() + 1):
    unseen[fold == number] = fit(fold != number).predict(X[fold == number])
roots, steps, feature, threshold, left, value = [], [], [], [], [], []
def place(node, at):
    for column in (feature, threshold, left, value):
        column.extend([0] * (at + 1 - len(column)))
    if "leaf_value" in node:
        feature[at], threshold[at], left[at], value[at] = 0, np.inf, at, node["leaf_value"]
        return 0
    assert node["decision_type"] == "<="
    # measures are float32: the greatest float32 that is not above the threshold divides them alike
    limit = np.float32(node["threshold"])
    threshold[at] = np.nextafter(limit, np.float32(-np.inf)) if limit > node["threshold"] else limit
    feature[at], left[at] = node["split_feature"], len(feature)
    first = len(feature)
    for column in (feature, threshold, left, value):
        column.extend([0, 0])
    return 1 + max(place(node["left_child"], first), place(node["right_child"], first + 1))
for tree in fit(fold >= 0).dump_model()["tree_info"]:
    roots.append(len(feature))
    steps.append(place(tree["tree_structure"], len(feature)))
np.savez(sys.argv[2], unseen=unseen, roots=np.int32(roots), steps=np.int32(steps), feature=np.int16(feature),
         threshold=np.float32(threshold), left=np.int32(left), value=np.float32(value))
"""
TEACHER = """
import json, pathlib, sys
from trafilatura import extract
for line in sys.stdin:
    data = pathlib.Path(json.loads(line)).read_bytes()
    print(json.dumps([extract(data, fast=fast, include_comments=False) or "" for fast in (False, True)]), flush=True)
"""


def main() -> None:
    pages = [page for page in evaluation_pages() if half(page) == "development"]
    python = environment("lightgbm==4.7.0", *PEER)
    teacher = subprocess.run([python, "-c", TEACHER], input="".join(json.dumps(str(page.path)) + "\n" for page in pages),
                             capture_output=True, text=True, check=True)  # fmt: skip
    kept = [json.loads(line) for line in teacher.stdout.splitlines()]
    scanned = [scanned_of(page) for page in pages]
    texts = [
        [squeezed(bytes(scan.text[row[START] : row[END]]).decode("utf-8", "replace").replace("`", "")) for row in scan.blocks]
        for scan in scanned
    ]
    labels = [labelled(page, blocks, by) for page, blocks, by in zip(pages, texts, kept, strict=True)]
    y = np.concatenate([label for label, _ in labels])
    w = np.concatenate([weight for _, weight in labels])
    fold = np.concatenate([np.full(len(blocks), number % FOLDS) for number, blocks in enumerate(texts)])
    X = np.concatenate([features(scan) for scan in scanned])
    first = boosted(python, X, y, w, fold, 1)
    ends = np.cumsum([len(blocks) for blocks in texts])[:-1]
    seen = np.concatenate([forest.smoothed(scan, p) for scan, p in zip(scanned, np.split(first["unseen"], ends), strict=True)])
    second = boosted(python, np.concatenate([X, seen], axis=1), y, w, fold, 2)
    cut = best_cut(pages, texts, np.split(second["unseen"], ends))
    trees = {f"{name}{number}": trees[name] for number, trees in ((1, first), (2, second)) for name in trees if name != "unseen"}
    np.savez_compressed(forest.FILE, cut=np.float64(cut), **trees)
    print(f'put into forest.py: DIGEST = "{hashlib.sha256(forest.FILE.read_bytes()).hexdigest()[:16]}"')
    print(f"{forest.FILE}: {forest.FILE.stat().st_size:,} bytes; {len(y):,} blocks of {len(pages)} pages; cut {cut}")


def scanned_of(page: Page) -> Scanned:
    markup = prepared(decode(page.path.read_bytes(), page.file, html=True).encode())
    assert markup is not None
    return parsed(markup, SELECTOR)


def squeezed(text: str) -> str:
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text).strip())


def labelled(page: Page, blocks: list[str], by: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """A label and a weight a block."""
    kept = [squeezed(text) for text in by]
    lines = [{squeezed(cell).lstrip("- ") for line in text.splitlines() for cell in [line, *line.split("|")]} for text in by]
    found = np.array([[block in known or (len(block) > 25 and block in whole) or (len(block) > 120 and block[20:100] in whole)
                       for whole, known in zip(kept, lines, strict=True)] for block in blocks]).reshape(-1, 2)  # fmt: skip
    label = found[:, 0].astype(np.float32)
    sizes = np.array([len(block) for block in blocks])
    weight = np.where(found[:, 0] == found[:, 1], 1.0, 0.4) * np.minimum(1, 0.2 + sizes / 100)
    whole = " ".join(blocks)
    starts = np.cumsum([0, *(len(block) + 1 for block in blocks)])

    def places(snippet: str) -> list[list[int]]:
        return [[int(np.searchsorted(starts, at, "right")) - 1 for at in (found.start(), found.end() - 1)]
                for found in re.finditer(re.escape(squeezed(snippet)), whole)]  # fmt: skip

    for snippet in page.without:
        for first, last in places(snippet):
            label[first : last + 1], weight[first : last + 1] = 0, GOLD
    for snippet in page.wanted:
        spots = places(snippet)
        sure = [(first, last) for first, last in spots if found[first : last + 1, 0].all()]
        for first, last in sure or sorted(spots, key=lambda spot: -sizes[spot[0]])[:1]:
            label[first : last + 1], weight[first : last + 1] = 1, GOLD
    return label, weight


def boosted(python: Path, X: np.ndarray, y: np.ndarray, w: np.ndarray, fold: np.ndarray, number: int) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        np.savez(given, X=X, y=y, w=w, f=fold)
        subprocess.run([python, "-c", LIGHTGBM, given, made, str(ROUNDS[number])], check=True, stdout=sys.stderr)
        with np.load(made) as file:
            return dict(file)


def best_cut(pages: list[Page], texts: list[list[str]], unseen: list[np.ndarray]) -> float:
    """The probability at which blocks are kept: best F1 on pages that the forest did not see."""
    figures = {}
    for cut in np.arange(0.25, 0.6, 0.025):
        kept = [" ".join(block for block, p in zip(blocks, ps, strict=True) if p > cut) for blocks, ps in zip(texts, unseen, strict=True)]
        figures[round(float(cut), 3)] = scores(pages, kept)
    for cut, figure in figures.items():
        print(cut, *(round(value, 4) for value in figure))
    return max(figures, key=lambda cut: figures[cut][2])


if __name__ == "__main__":
    main()
