"""How does a workspace become a page? Every section asks the stages for its facts; the template lays them out; one file is written.

The page carries all it needs (style, Plotly, figures) and may load nothing: its own Content-Security-Policy forbids the
network, and admits scripts by their hash alone, so that a `<script>` in a document or a sample could not run even if it were
not escaped. Equal workspaces give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from headwater.core.artifact import JOURNAL, MANIFEST, Workspace
from headwater.core.storage import disk_trouble, write_atomically
from headwater.release.report import corpus, evaluation, lineage, provenance, tokenizer, training
from headwater.release.report.evidence import Stages, read_stages
from headwater.release.report.overview import overview
from headwater.release.report.palette import COLOURS, css
from headwater.release.report.words import Words

HERE = Path(__file__).parent
# Sections of stages and files that have another's.
SHOWN_IN = {
    "annotate": "corpus",
    "relate": "corpus",
    "tokens": "tokenizer",
    MANIFEST: "lineage",
    "samples.jsonl": "samples",
    f"{JOURNAL}/time.json": "environment",
    f"{JOURNAL}/environment.json": "environment",
}


def write_report(workspace: Workspace, out: Path, lang: Literal["en", "zh"] = "en") -> Path:
    """Write the run report of a workspace to `out` and give its path back.

    Raises HeadwaterError when the workspace has no finished stage, the language is none of ours, or the disk refuses.
    """
    page = render(workspace, Words(lang))
    with disk_trouble(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page)
    return out


def render(workspace: Workspace, words: Words) -> str:
    """The page as text."""
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    stages = read_stages(workspace, words)
    evaluated = evaluation.read(stages)
    summary = overview(workspace.root, stages, evaluated, words)
    found = [
        lineage.section(stages, words),
        corpus.section(stages, words),
        tokenizer.section(stages, words),
        training.section(stages, "pretrain", words, evaluation.ngram_level(evaluated)),
        training.section(stages, "sft", words),
        training.section(stages, "finetune", words),
        training.samples(stages, words),
        evaluation.section(stages, evaluated, words),
        provenance.release(stages, words),
        provenance.environment(stages, words),
    ]
    sections = [section for section in found if section is not None]
    figures = {id: figure for section in sections for id, figure in section.charts.items()}
    scripts = [get_plotlyjs(), (HERE / "charts.js").read_text(encoding="utf-8")] if figures else []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.jinja").render(
        words=words,
        overview=summary,
        sections=sections,
        troubles=troubles_by_section(stages, [section.id for section in sections]),
        style=Markup(css() + (HERE / "style.css").read_text(encoding="utf-8")),  # noqa: S704 (our own files)
        figures=figures,
        colours=list(COLOURS.values()),
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        policy=policy(scripts),
    )


def policy(scripts: list[str]) -> str:
    """The Content-Security-Policy: nothing from the network, no script but these."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"


def troubles_by_section(stages: Stages, shown: Iterable[str]) -> dict[str, list[str]]:
    """Each damaged file's sentence in the section that would have shown it; where that is absent, in its stage's, or the last."""
    found: dict[str, list[str]] = {id: [] for id in shown}
    for name, stage in stages.items():
        for file, sentence in stage.troubles.items():
            homes = (SHOWN_IN.get(file), SHOWN_IN.get(name, name), "environment")
            found[next(home for home in homes if home in found)].append(sentence)
    return found
