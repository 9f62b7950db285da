"""headwater/corpus/licences/detect.py and cover.py: a small source tree with planted licences."""

from __future__ import annotations

import pytest

from headwater.corpus.document import Document, batch_of, scores_of, texts_of
from headwater.corpus.licences.config import Licences
from headwater.corpus.licences.cover import covering, folders_of, judged
from headwater.corpus.licences.detect import detector, rules_of
from tests.corpus.licences.test_texts import MIT

TREE = {
    "LICENSE": (MIT, "MIT", False),
    "README.md": ("A project under the MIT license.", "MIT", False),
    "src/a.py": ("print(1)\n", "MIT", False),
    "src/b.py": ("# SPDX-License-Identifier: GPL-3.0-only\nprint(2)\n", "GPL-3.0-only", True),
    "gpl/COPYING": ("SPDX-License-Identifier: GPL-2.0-only\n", "GPL-2.0-only", True),
    "gpl/deep/er/c.c": ("int main;\n", "GPL-2.0-only", True),
    "two/LICENSE-MIT": (MIT, "MIT", False),
    "two/LICENSE-OTHER": ("SPDX-License-Identifier: GPL-2.0-only\n", "GPL-2.0-only", True),
    "two/d.rs": ("fn main() {}\n", "GPL-2.0-only OR MIT", False),
}


def tree(source: str = "code", **fields: str) -> list[Document]:
    return [Document(id=f"{source}/{path}", text=text, source=source, **fields) for path, (text, _, _) in TREE.items()]  # type: ignore[arg-type]


def test_a_licence_file_covers_the_folders_below_it() -> None:
    config = Licences(deny=["GPL-*"])
    marked = detector(config)(batch_of(tree()))
    assert scores_of(marked, "licence_file").tolist() == [1, 0, 0, 0, 1, 0, 1, 1, 0]
    folders = folders_of([marked.slice(0, 4), marked.slice(4)])
    assert folders == {("code", "."): "MIT", ("code", "gpl"): "GPL-2.0-only", ("code", "two"): "GPL-2.0-only OR MIT"}
    licences, denied = judged(marked, folders, config)
    assert licences == [licence for _, licence, _ in TREE.values()]
    assert denied.tolist() == [float(bad) for _, _, bad in TREE.values()]


def test_another_source_is_not_covered() -> None:
    config = Licences(unknown="drop")
    batch = detector(config)(
        batch_of([Document(id="x/a.py", text="a = 1\n", source="x"), Document(id="x/a.txt", text="prose", source="x")])
    )
    folders = {("code", "."): "MIT"}
    licences, denied = judged(batch, folders, config)
    assert licences == [None, None] and denied.tolist() == [1, 0], "code without a licence goes, prose stays"
    assert judged(batch, folders, Licences(unknown="drop", sources=["x"]))[1].tolist() == [1, 1]
    assert judged(batch, folders, Licences())[1].tolist() == [0, 0]
    assert covering("a/b/c.py", "code", folders) == "MIT"


def test_the_step_changes_only_licences() -> None:
    batch = batch_of(tree(license="Apache-2.0"))
    marked = detector(Licences())(batch)
    assert texts_of(marked) == texts_of(batch)
    assert marked.column("license").to_pylist() == ["MIT", "Apache-2.0", "Apache-2.0", "GPL-3.0-only", "GPL-2.0-only", "Apache-2.0", "MIT",
                                                    "GPL-2.0-only", "Apache-2.0"]  # fmt: skip


@pytest.mark.parametrize(("config", "names"), [
    (None, []), (Licences(), ["licence", "generated", "vendored"]), (Licences(generated="keep", vendored="keep"), ["licence"]),
])  # fmt: skip
def test_rules(config: Licences | None, names: list[str]) -> None:
    assert [rule.name for rule in rules_of(config)] == names
