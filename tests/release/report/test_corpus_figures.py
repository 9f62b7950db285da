"""The corpus section shows the figures of statistics, mixture and duplicates where they exist, in both languages, and no file too many."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Workspace
from headwater.core.progress import Reporter
from headwater.core.storage import write_json
from headwater.corpus.document import DOCUMENT
from headwater.corpus.mixture.draw import realised
from headwater.corpus.mixture.plan import Count, Part, Plan
from headwater.corpus.statistics.compute import compute
from headwater.release.report.corpus import rule_name
from headwater.release.report.page import write_report
from headwater.release.report.words import Words

DUPLICATES = {
    "groups": {"count": 14, "documents": 47, "beyond_the_first": 33, "by_size": {"2": 11, "3-4": 2, "5-9": 0, "10-99": 1}},
    "largest": [{"documents": 21, "ids": ["web-1", "web-2"], "sources": {"web": 20, "wiki": 1}, "excerpt": "<b>Accept</b> cookies 点击"}],
    "sources": {"web": {"documents": 200, "bytes": 9000, "repeated_documents": 31, "repeated_bytes": 1400},
                "wiki": {"documents": 50, "bytes": 4000, "repeated_documents": 0, "repeated_bytes": 0}},
    "spans": {"repeated_line": {"spans": 321, "documents": 45, "characters": 6789}},
}  # fmt: skip


CONTAMINATION = {"contaminated_documents": 12, "ngrams": 999, "shape": {}, "sets": {
    "exam": {"examples": 200, "too_short": 7, "dirty_before": 25, "dirty_after": 0, "found": []}}}  # fmt: skip
CLASSIFIER = {"labels": ["raw", "good"], "model": {"kind": "hashed"}, "report": {"examples": {"raw": 90, "good": 80}, "evidence": {
    "documents": 170, "accuracy": 0.934, "auc": 0.9812, "ece": 0.0213, "table": [
        {"low": 0.0, "expected": 0.04, "observed": 0.06, "share": 0.5, "documents": 85.0},
        {"low": 0.9, "expected": 0.97, "observed": 0.93, "share": 0.5, "documents": 85.0}]}}}  # fmt: skip


def text(n: int) -> str:
    name = "".join("abcdefghij"[int(digit)] for digit in str(n))
    return f"The river {name} runs to the sea. 话说天下大势，分久必合第{n}回。" * (1 + n % 17)


@pytest.fixture
def corpus(fresh: Workspace) -> Path:
    return (fresh.root / "corpus").resolve()


@pytest.fixture
def statistics(tmp_path: Path) -> dict[str, Any]:
    rows = [{"id": str(n), "text": text(n), "source": "web",
             "url": f"http://s{n % 3}.example.org/{n}" if n % 2 else None, "license": None, "meta": "{}",
             "language": ("en", "zh")[n % 2], "created": f"{1990 + n % 30}-05-01", "scores": []} for n in range(200)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENT), tmp_path / "train-00000.parquet")
    return compute([tmp_path / "train-00000.parquet"], tmp_path, Reporter(), measures={"bits_per_byte": lambda said: len(said) / 100})


def mixture(capped: bool = True) -> dict[str, Any]:
    parts = (Part("web", Count(3, 600), 0.7, 0.5, False), Part("wiki<i>", Count(2, 200), 0.3, 3.0, capped))
    strata = np.array([0, 0, 0, 1, 1])
    return realised(Plan("bytes", 1_000.0, parts), strata, np.array([1, 0, 1, 3, 3], np.int16), np.array([100, 300, 200, 100, 100]))


def page(workspace: Workspace, lang: Any) -> str:
    return write_report(workspace, workspace.root / "report.html", lang).read_text(encoding="utf-8").replace("\u00a0", " ")


def seen(html: str) -> str:
    """What is on the page without the script that draws."""
    return re.sub(r"<[^>]+>", " ", html.split('<script type="application/json"')[0])


def test_every_figure_is_said(fresh: Workspace, corpus: Path, statistics: dict[str, Any]) -> None:
    write_json(corpus / "statistics.json", statistics)
    write_json(corpus / "mixture.json", mixture())
    write_json(corpus / "duplicates.json", DUPLICATES)
    english, chinese = (page(fresh, lang) for lang in ("en", "zh"))
    words = statistics["vocabulary"]["words"]
    exponent = Words("en").figure(words["growth"]["heaps"]["exponent"], 3)
    figures = ("at its cap", "321", "6,789", "31", "15.5 %", "14 groups", "47 documents", exponent)
    names = ("example.org", "bits_per_byte", "wiki&lt;i&gt;", "&lt;b&gt;Accept&lt;/b&gt; cookies", "river", "势")
    for said in (*figures, *names):
        assert said in seen(english), said
    for said in ("词汇增长", "配比", "已达上限", "14 组", "重复的行", "注册域名"):
        assert said in seen(chinese), said
    for chart in ("lengths", "growth", "frequencies", "years", "mixture", "groups"):
        for html in (english, chinese):
            assert f'id="corpus-{chart}"' in html and f'"corpus-{chart}":' in html, chart


@pytest.mark.parametrize("file", ["mixture.json", "duplicates.json"])
def test_each_file_stands_alone(fresh: Workspace, corpus: Path, file: str) -> None:
    write_json(corpus / file, mixture() if file == "mixture.json" else DUPLICATES)
    html = seen(page(fresh, "en"))
    assert ("Wished 1.00 kB for training, realised 900 B" in html) == (file == "mixture.json")
    assert ("The largest groups" in html) == (file == "duplicates.json")
    assert "Vocabulary growth" not in html


def test_classifiers_and_contamination(fresh: Workspace, corpus: Path) -> None:
    write_json(corpus / "contamination.json", CONTAMINATION)
    (corpus / "quality_model").mkdir()
    write_json(corpus / "quality_model" / "classifier.json", CLASSIFIER)
    english, chinese = (page(fresh, lang) for lang in ("en", "zh"))
    for said in (
        "On 170 documents held out: accuracy 93.4 %, AUC 0.981, calibration error 0.021",
        "12 documents that were read",
        "exam",
        "12.5 %",
    ):
        assert said in seen(english), said
    assert "质量模型：预测与实际" in seen(chinese) and "评测集" in seen(chinese)
    assert '"corpus-quality_model":' in english and '"corpus-topics":' not in english
    curve = json.loads(english.split('id="figures">')[1].split("</script>")[0])["figures"]["corpus-quality_model"]["data"][1]
    assert (curve["x"], curve["y"]) == ([0.04, 0.97], [0.06, 0.93])


def test_what_was_found_of_what_was_planted(fresh: Workspace, corpus: Path) -> None:
    kinds = {"email": {"planted": 4, "found": 4}, "phone": {"planted": 4, "found": 3}}
    rows = [{"detector": "privacy", "planted": 8, "found": 7, "false": 1, "recall": 0.875, "precision": 0.875, "kinds": kinds},
            {"detector": "licences", "planted": 0, "found": 0, "false": 0, "recall": None, "precision": None}]  # fmt: skip
    write_json(corpus / "proof.json", {"carriers": 68, "detectors": rows})
    said = " ".join(seen(page(fresh, "en")).split())
    assert "among 68 documents of this corpus" in said
    assert "Personal data phone 3/4 8 7 87.5 % 1 87.5 %" in said and "Licences of code 0 0 – 0 –" in said
    assert "植入检验" in seen(page(fresh, "zh"))


def test_tokens_by_source(fresh: Workspace) -> None:
    index = fresh.root / "tokens" / "train.documents.parquet"
    rows = {"id": ["a", "b", "c"], "source": ["web", "wiki", "web"], "language": ["en"] * 3, "start": [0, 5, 10], "length": [5, 5, 30],
            "bytes": [20, 10, 60]}  # fmt: skip
    pq.write_table(pa.table(rows), index)
    said = " ".join(seen(page(fresh, "en")).split())
    assert "Training tokens by source" in said and "web 35 2.29 87.5 % wiki 5 2.00 12.5 %" in said
    index.write_bytes(b"PAR1")
    assert "tokens/train.documents.parquet is damaged" in seen(page(fresh, "en"))


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        ("length", "too short or too long", "过短或过长"),
        ("gopher.top_2_gram", "one phrase over and over (gopher)", "同一短语反复出现（gopher）"),
        ("gopher.repeated_10_gram", "too many repeated phrases (gopher)", "重复短语过多（gopher）"),
        ("c4.curly_brackets", "curly brackets (c4)", "含花括号（c4）"),
        ("my.own", "my.own", "my.own"),
        ("web minus wiki.x", "web minus wiki.x", "web minus wiki.x"),
    ],
)
def test_rules_have_names(rule: str, english: str, chinese: str) -> None:
    assert rule_name(rule, Words("en")) == english
    assert rule_name(rule, Words("zh")) == chinese


def test_without_duplicates_it_says_so(fresh: Workspace, corpus: Path) -> None:
    none = {"groups": {"count": 0, "documents": 0, "beyond_the_first": 0, "by_size": {}}, "largest": [], "sources": {}, "spans": {}}
    write_json(corpus / "duplicates.json", none)
    assert "No two documents say the same." in seen(page(fresh, "en"))


def test_a_corpus_without_words_dates_or_sites(fresh: Workspace, corpus: Path, tmp_path: Path) -> None:
    row = {
        "id": "1",
        "text": "12345",
        "source": "s",
        "url": None,
        "language": None,
        "license": None,
        "created": None,
        "meta": "{}",
        "scores": [],
    }
    pq.write_table(pa.Table.from_pylist([row], schema=DOCUMENT), tmp_path / "train-00000.parquet")
    write_json(corpus / "statistics.json", compute([tmp_path / "train-00000.parquet"], tmp_path, Reporter()))
    html = page(fresh, "en")
    assert 'id="corpus-lengths"' in html
    for chart in ("growth", "frequencies", "years"):
        assert f'id="corpus-{chart}"' not in html


@pytest.mark.fault
@pytest.mark.parametrize("file", ["statistics.json", "mixture.json", "duplicates.json", "contamination.json", "proof.json"])
def test_a_damaged_file_is_a_sentence(fresh: Workspace, corpus: Path, file: str, write_damage: Callable[[Path], None]) -> None:
    write_damage(corpus / file)
    html = seen(page(fresh, "en"))
    assert f"corpus/{file} is" in html


@pytest.fixture(params=[b"\x00\xff", b'{"groups": 3}', b"[]"])
def write_damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(request.param)

    return write
