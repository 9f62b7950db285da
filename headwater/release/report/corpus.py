"""Which documents were kept, and why were others not? The corpus stage's funnel as a section."""

from __future__ import annotations

import re
from typing import Any

from headwater.release.report.corpus_figures import figures
from headwater.release.report.evidence import Funnel, Passage, Size, Stage, Stages, Step
from headwater.release.report.section import Section
from headwater.release.report.words import Words

NGRAM = re.compile(r"^(top|repeated)_\d+_gram(s?)$")


def section(stages: Stages, words: Words) -> Section | None:
    if (stage := stages.get("corpus")) is None:
        return None
    funnel = stage.json("funnel.json", Funnel)
    body = _body(funnel, words) if funnel is not None and funnel.steps else {}
    lead = _lead(funnel, words) if funnel is not None and funnel.steps else ""
    seen, drawn = figures(stage, stages.get("tokens"), words)
    return Section("corpus", words("corpus_title"), lead, "corpus", {**body, "figures": seen}, drawn)


def _lead(funnel: Funnel, words: Words) -> str:
    first, last = funnel.steps[0], funnel.steps[-1]
    kept = words(
        "corpus_lead",
        read=words.many("document", first.documents),
        read_size=words.size(first.bytes),
        kept=words.many("document", last.documents),
        kept_size=words.size(last.bytes),
        share=words.percent(last.bytes, first.bytes),
    )
    rules = [(size.documents, rule) for step in funnel.steps for rule, size in step.removed.items()]
    if not rules:
        return kept
    documents, rule = max(rules)
    return words.sentences(kept, words("corpus_most", rule=rule_name(rule, words), documents=words.many("document", documents)))


def _body(funnel: Funnel, words: Words) -> dict[str, Any]:
    languages = {words.language(code): passage for code, passage in funnel.by_language.items()}
    return {
        "steps": [_step(step, funnel.steps[0], words) for step in funnel.steps],
        "origins": [
            (words("sources"), words("source"), _passages(funnel.by_source)),
            (words("languages"), words("language"), _passages(languages)),
        ],
        "splits": funnel.splits,
        "bad_rows": sorted(funnel.bad_rows.items()),
        "changed": sorted(((words.name("changed", option), count) for option, count in funnel.changed.items()), key=lambda row: -row[1]),
    }


def _step(step: Step, first: Step, words: Words) -> dict[str, Any]:
    removed = sorted(step.removed.items(), key=lambda item: (-item[1].documents, item[0]))
    return {
        "name": step.step,
        "documents": step.documents,
        "bytes": step.bytes,
        "share": step.bytes / first.bytes if first.bytes else 0.0,
        "removed": [(rule_name(rule, words), size) for rule, size in removed],
    }


def rule_name(rule: str, words: Words) -> str:
    """`gopher.top_2_gram` → one phrase over and over (gopher); a name that is none of ours stands as it is."""
    chosen, _, name = rule.rpartition(".")
    said = words.name("rule", NGRAM.sub(r"\1_ngram\2", name))
    if said == NGRAM.sub(r"\1_ngram\2", name):
        return words.name("rule", rule)
    return words("rule_of_set", rule=said, set=chosen) if chosen else said


def _passages(origins: dict[str, Any]) -> list[tuple[str, Size | None, Size]]:
    """(name, read, kept) of each origin, the largest first; what the corpus stage did not measure before is None."""
    rows = [(name, p.read, p.kept) if isinstance(p, Passage) else (name, None, p) for name, p in origins.items()]
    return sorted(rows, key=lambda row: (-row[2].bytes, row[0]))


def documents(stages: Stages, ids: set[str]) -> dict[str, dict[str, Any]]:
    """`{id: source, language, text}` of training documents by id, as far as the corpus still has them."""
    import pyarrow.dataset

    if (stage := stages.get("corpus")) is None or not ids:
        return {}
    where = pyarrow.dataset.field("id").isin(sorted(ids))
    names = stage.files("documents/train-*.parquet")
    rows = [row for name in names for row in stage.table(name, ["id", "source", "language", "text"], where=where)]
    return {row["id"]: row for row in rows}


def texts_by_language(stage: Stage) -> dict[str, str]:
    """One held-out text of each language, the first by id that is not a scrap: for showing what the tokenizer does."""
    found: dict[str, str] = {}
    for name in stage.files("documents/validation-*.parquet"):
        for row in stage.table(name, ["language", "text"], limit=2000):
            code = row["language"] or ""
            if len(row["text"]) > len(found.get(code, "")) and len(found.get(code, "")) < 200:
                found[code] = row["text"]
    return dict(sorted(found.items()))
