"""The page shows what the workspace has, says what is damaged, is whole without a network, and lets no text of others act."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headwater.core.artifact import Workspace
from headwater.core.errors import HeadwaterError
from headwater.release.report.page import write_report

SECTIONS = ["lineage", "corpus", "tokenizer", "pretrain", "sft", "samples", "evaluate", "release", "environment"]
MOST_BYTES = 6_000_000  # Plotly is 4.8 MB of it


class Page(HTMLParser):
    """What a browser would make of the page: its tags with attributes, its visible text, its scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.style, self.scripts, self.headings = "", "", [""], [""]
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "h1", "h2", "h3", "h4", "th", "figcaption", "summary"):
            self._open.append(tag)
            (self.scripts if tag == "script" else self.headings).append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts[-1] += data
        elif inside == "style":
            self.style += data
        else:
            self.text += data.replace("\u00a0", " ")
            if inside:
                self.headings[-1] += data.strip()

    @property
    def sections(self) -> list[str | None]:
        return [attributes.get("id") for tag, attributes in self.tags if tag == "section"]


@pytest.fixture(scope="module")
def english(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_report(workspace, tmp_path_factory.mktemp("page") / "report.html", "en"))


@pytest.fixture(scope="module")
def chinese(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_report(workspace, tmp_path_factory.mktemp("page") / "report.html", "zh"))


def page_of(workspace: Workspace) -> Page:
    return Page(write_report(workspace, workspace.root / "report.html", "en"))


def test_all_sections_stand_in_the_rivers_order(english: Page, chinese: Page) -> None:
    assert english.sections == chinese.sections == SECTIONS


@pytest.mark.parametrize(
    "said",
    [
        "18,964", "9.12 MB", "61.5 %", "1,322 documents", "Ich verstehe nicht ganz.",  # funnel.json
        "shakespeare", "9.80 MB", "chatterbot/english/ai.jsonl", "1,207", "wrong encoding undone",
        "4,096", "3.22", "2.54 M",  # statistics.json, tokens.json
        "98.4 k", "8 layers of width 256",  # model.safetensors: 4096 × 24 + 7 × 11; config.json
        "Step 311", "the loss is 7.402, above 4.95", "88.10", "sanguo-1", "jionlp-7",  # metrics.jsonl
        "The update was left out. <i>Thrice</i>", "a bit of blocks.0.norm flipped", "pretrain/journal/incidents/0001.md",  # incidents
        "optimizer.lr = 0.0003",  # changes.jsonl
        "曹操引兵",  # samples.jsonl
        "1.317 ± 0.012", "1.722 ± 0.016", "−0.321", "0.410 ± 0.049", "0.1302", "97 of 100", "你是谁？", "not ended",  # evaluation.json
        "26 characters verbatim", "17.4 ± 1.9",
        "2.14 × 10⁻⁶", "transformers 5.23.0",  # parity.json
        "7 min 12 s", "11 min 8 s", "22 November 2026, 03:16 UTC", "Xeon", "torch 2.13.0", "lr: 0.001", "c0de" * 8,  # journal, manifests
    ],
)  # fmt: skip
def test_figures_of_the_files_are_on_the_page(english: Page, said: str) -> None:
    assert said in english.text


def test_curves_carry_the_figures_of_the_files(workspace: Workspace, english: Page) -> None:
    figures = json.loads(english.scripts[1])["figures"]
    rows = [json.loads(line) for line in (workspace.root / "pretrain/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    train = {row["step"]: row["loss"] for row in rows if row["kind"] == "train"}
    raw, smoothed, refused = figures["pretrain-loss"]["data"]
    drawn = dict(zip(raw["x"], raw["y"], strict=True))
    assert drawn == {step: loss and pytest.approx(loss, rel=1e-5) for step, loss in train.items()}
    assert drawn[311] is None
    assert len(smoothed["x"]) == len(train) - 2
    assert refused["x"] == [311, 540]
    assert "sft-loss" in figures and len(figures["sft-loss"]["data"]) == 2
    bits = figures["evaluate-bits"]["data"]
    assert bits[0]["y"] == [1.31742, 1.40018, 1.15021] and bits[1]["error_y"]["array"] == [0.01398, 0.01633, 0.0221]
    assert {attributes["id"] for _, attributes in english.tags if attributes.get("class") == "chart"} == set(figures)


def test_the_longest_match_is_marked_inside_its_sample(english: Page, workspace: Workspace) -> None:
    page = (write_report(workspace, workspace.root.parent / "marked.html", "en")).read_text(encoding="utf-8")
    assert re.findall("<mark>(.*?)</mark>", page) == ["what a noble mind is here ", "却说玄德引兵", "&lt;script&gt;"]


def test_texts_of_others_are_only_text(english: Page, chinese: Page) -> None:
    for page in (english, chinese):
        assert "<script>alert('owned')</script>" in page.text  # as text, where it is shown
        assert "<b>web</b>" in page.text
        assert sum(tag == "script" for tag, _ in page.tags) == 3  # the figures, Plotly, charts.js
        assert not any(tag in ("img", "iframe", "object", "embed", "link", "base", "form", "a") and "evil" in str(attributes)
                       for tag, attributes in page.tags)  # fmt: skip
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert "</script" not in page.scripts[1] and "<script" not in page.scripts[1]


def test_the_page_loads_nothing(english: Page) -> None:
    for tag, attributes in english.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert "url(" not in english.style and "@import" not in english.style
    policy = next(attributes["content"] for _, attributes in english.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy and "default-src 'none'" in policy and "http" not in policy and "'unsafe-inline'" not in policy.split("script-src")[1]


def test_headings_of_the_chinese_page_are_chinese(chinese: Page) -> None:
    """Names of the user's (sources, prompts, tasks, packages) stay; English sentences of ours do not."""
    theirs = {"demo", "HAMLET.", "shakespeare", "sanguo", "jionlp", "<b>web</b>", "chatterbot/english/ai.jsonl", "Python"}
    files = re.compile(r"[\w./ -]+\.\w+|headwater[\w.]*|numpy|(continuation|completion), \d shots")
    ours = [text for text in chinese.headings if text and text not in theirs and not files.fullmatch(text)]
    assert len(ours) > 50
    assert [text for text in ours if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_equal_workspaces_give_equal_bytes(workspace: Workspace, tmp_path: Path) -> None:
    first, second = (write_report(workspace, tmp_path / name, "zh").read_bytes() for name in ("1.html", "2.html"))
    assert first == second
    assert len(first) < MOST_BYTES


@pytest.mark.parametrize(
    ("stages", "sections"),
    [
        (("corpus",), ["lineage", "corpus", "environment"]),
        (("corpus", "tokenizer"), ["lineage", "corpus", "tokenizer", "environment"]),
        (("pretrain",), ["lineage", "pretrain", "samples", "environment"]),
        (("evaluate", "release"), ["lineage", "evaluate", "release", "environment"]),
    ],
)
def test_only_stages_that_exist_are_shown(fresh: Workspace, stages: tuple[str, ...], sections: list[str]) -> None:
    for link in list(fresh.root.iterdir()):
        if link.is_symlink() and link.name not in stages:
            link.unlink()
    assert page_of(fresh).sections == sections


def test_an_empty_workspace_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no finished stage"):
        write_report(Workspace(tmp_path / "nothing"), tmp_path / "report.html", "en")
    assert not (tmp_path / "report.html").exists()


PROMISED = [
    "corpus/funnel.json", "corpus/documents/validation-00000.parquet", "corpus/documents/train-00000.parquet", "tokenizer/statistics.json",
    "tokenizer/tokenizer.json", "tokens/tokens.json", "pretrain/metrics.jsonl", "pretrain/samples.jsonl", "pretrain/model.safetensors",
    "pretrain/config.json", "evaluate/evaluation.json", "release/parity.json",
]  # fmt: skip
JOURNAL = ["pretrain/journal/timing.jsonl", "pretrain/journal/time.json", "pretrain/journal/environment.json"]


@pytest.mark.fault
@pytest.mark.parametrize("file", [*PROMISED, *JOURNAL, "pretrain/manifest.json"])
def test_a_damaged_file_is_a_sentence_and_no_crash(fresh: Workspace, file: str) -> None:
    (fresh.root / file).write_bytes(b"\x00\xff\xfe garbage")
    page = page_of(fresh)
    assert f"{file} " in page.text
    assert any(attributes.get("class") == "trouble" for _, attributes in page.tags)
    assert page.sections[0] == "lineage" and page.sections[-1] == "environment"


@pytest.mark.fault
@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[1, 2]", b'{"steps": "many"', None], ids=["empty", "no keys", "a list", "cut off", "gone"]
)
def test_every_file_damaged_at_once_is_as_many_sentences(fresh: Workspace, damage: bytes | None) -> None:
    # Asked for only when the tokenizer, the incidents and the weights can be read.
    files = [file for file in PROMISED + JOURNAL if not file.startswith("corpus/documents") and file != "pretrain/config.json"]
    for file in files:
        (fresh.root / file).unlink()
        if damage is not None:
            (fresh.root / file).write_bytes(damage)
    page = page_of(fresh)
    harmless = {
        b"": {file for file in files if file.endswith(".jsonl")},  # no rows
        b"{}": {
            "pretrain/config.json",
            "evaluate/evaluation.json",
            "release/parity.json",
            "pretrain/journal/environment.json",
        },  # nothing known
        None: set(JOURNAL),  # nobody promised it
    }.get(damage, set())
    assert {file: page.text.count(f"{file} ") for file in files} == {file: 0 if file in harmless else 1 for file in files}


@pytest.mark.fault
def test_a_torn_last_line_loses_that_line_alone(fresh: Workspace) -> None:
    path = fresh.root / "pretrain/metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    page = page_of(fresh)
    assert "pretrain/metrics.jsonl has 1 unreadable rows" in page.text
    assert "Step 311" in page.text


def test_a_run_whose_figures_are_no_numbers_is_still_drawn(fresh: Workspace) -> None:
    path = fresh.root / "pretrain/metrics.jsonl"
    path.write_text('{"kind": "train", "step": 1, "loss": NaN, "lr": 0.1, "grad_norm": Infinity}\n' * 3, encoding="utf-8")
    figures = json.loads(page_of(fresh).scripts[1], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["figures"]
    assert figures["pretrain-rate"]["data"][0]["y"] == [0.1]


IN_NATS = {
    "en": "Held-out targets went from 9.00 to 5.00 nats each. Knowing their frequencies alone would give 6.00.",
    "zh": "留出目标由每个 9.00 nats 变为 5.00。只知道它们的频率则为 6.00。",
}


@pytest.mark.parametrize("lang", IN_NATS)
def test_an_objective_that_is_not_plain_texts_has_its_nats_beside_frequencies(fresh: Workspace, lang: str) -> None:
    path = fresh.root / "pretrain/metrics.jsonl"
    rows = [row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if row["kind"] != "validation"]
    rows += [{"kind": "validation", "step": step, "loss": loss, "unigram_loss": 6.0} for step, loss in ((0, 9.0), (100, 5.0))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    page = Page(write_report(fresh, fresh.root / "report.html", lang))
    figures = json.loads(page.scripts[1])["figures"]
    assert IN_NATS[lang] in page.text
    assert figures["pretrain-targets"]["data"][0]["y"] == [9.0, 5.0]
    assert "pretrain-validation" not in figures
