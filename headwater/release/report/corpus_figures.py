"""What is in the corpus, in figures and curves: lengths, vocabulary, sites, years, mixture, duplicates, measures, proof.

Each part is a dict for `templates/corpus_figures.jinja`; a part whose file the stage did not write is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.corpus.statistics.tokens import by_source
from headwater.release.report import charts
from headwater.release.report.corpus_facts import (
    ClassifierFacts,
    ContaminationFacts,
    CorpusStatistics,
    Distribution,
    DuplicateFacts,
    Lengths,
    Measured,
    MixtureFacts,
    ProofFacts,
    Stratum,
    Units,
    Vocabulary,
)
from headwater.release.report.evidence import Stage
from headwater.release.report.palette import LIGHT
from headwater.release.report.vocabulary import WORDS
from headwater.release.report.words import Words

LANGUAGES = 5  # that have a curve of their own: as many as the palette tells apart beside all
DOMAINS = 15
FREQUENT = 30
STRATA = 12  # that fit under one chart
CLUSTERS = 5
INDEX = "train.documents.parquet"
CLASSIFIERS = ("quality_model", "topics")
MORE = " and more"  # how duplicates.json calls the largest groups
PARTS = (
    "mixture",
    "tokens",
    "lengths",
    "time",
    "vocabulary",
    "domains",
    "measures",
    "by_source",
    "duplicates",
    "contamination",
    "classifiers",
    "proof",
)
QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")

Charts = dict[str, dict[str, Any]]


def figures(stage: Stage, tokens: Stage | None, words: Words) -> tuple[dict[str, Any], Charts]:
    """The parts that there are, and their charts by id; `tokens` is the stage that knows how many tokens each source became."""
    drawn: Charts = {}
    body: dict[str, Any] = dict.fromkeys(PARTS)
    if (mixture := stage.json("mixture.json", MixtureFacts)) is not None and mixture.strata:
        body["mixture"] = _mixture(mixture, drawn, words)
    if (duplicates := stage.json("duplicates.json", DuplicateFacts)) is not None:
        body["duplicates"] = _duplicates(duplicates, drawn, words)
    body["tokens"] = _tokens(tokens) if tokens is not None else None
    if (contamination := stage.json("contamination.json", ContaminationFacts)) is not None and contamination.sets:
        note = words("contamination_note", documents=words.many("document", contamination.contaminated_documents))
        body["contamination"] = {"note": note, "sets": sorted(contamination.sets.items())}
    body["classifiers"] = [row for name in CLASSIFIERS if (row := _classifier(stage, name, drawn, words)) is not None]
    if (proof := stage.json("proof.json", ProofFacts)) is not None and proof.detectors:
        body["proof"] = {"note": words("proof_note", documents=words.many("document", proof.carriers)), "detectors": proof.detectors}
    if (statistics := stage.json("statistics.json", CorpusStatistics)) is not None and statistics.documents:
        body["lengths"] = _lengths(statistics.lengths, drawn, words)
        body["vocabulary"] = _vocabulary(statistics.vocabulary, drawn, words)
        body["time"] = _times(statistics, drawn, words)
        body["domains"] = _domains(statistics, words)
        body["measures"] = sorted(statistics.measures.items())
        body["by_source"] = [(name, _means(measured)) for name, measured in sorted(statistics.measures.items()) if measured.by_source]
    body["quantiles"] = [(share, words("median") if share == "0.5" else f"{100 * float(share):g}\u00a0%") for share in QUANTILES]
    return body, drawn


def _lengths(lengths: Lengths, drawn: Charts, words: Words) -> list[tuple[str, Distribution]]:
    """Curves of all documents and of each language, as shares, so that small languages can be seen beside large ones."""
    found = sorted(lengths.by_language.items(), key=lambda item: (-sum(item[1].histogram), item[0]))[:LANGUAGES]
    several = found if len(found) > 1 else []
    named = [(words("all"), lengths.all), *((words.language(code), part) for code, part in several)]
    traces = []
    for place, (name, part) in enumerate(named):
        total = sum(part.histogram) or 1
        bins = [count / total for count in part.histogram]
        middle = [10 ** ((part.first_bin + index + 0.5) / lengths.bins_per_decade) for index in range(len(bins))]
        # From and to nothing: a curve begins and ends on the ground.
        edges = (middle[0] / 10 ** (1 / lengths.bins_per_decade), middle[-1] * 10 ** (1 / lengths.bins_per_decade)) if bins else (1, 1)
        points: list[tuple[float, float | None]] = [(edges[0], 0.0), *zip(middle, bins, strict=True), (edges[1], 0.0)]
        colour = LIGHT["faint"] if several and place == 0 else charts.series(place - 1 if several else 0)
        trace = charts.curve(points, name, colour)
        traces.append(trace.update(hovertemplate="%{y:.1%}"))
    figure = charts.plane(traces, x=words("axis_characters"), y=words("axis_share_documents"), log_x=True, height=320)
    drawn["corpus-lengths"] = charts.as_data(figure.update_yaxes(tickformat=".0%", rangemode="tozero"))
    return [(name, part) for name, part in named if part.mean is not None]


def _vocabulary(vocabulary: Vocabulary, drawn: Charts, words: Words) -> dict[str, Any] | None:
    kinds = [(kind, units) for kind, units in (("words", vocabulary.words), ("characters", vocabulary.characters)) if units is not None]
    if not kinds:
        return None
    growth, frequencies = [], []
    for place, (kind, units) in enumerate(kinds):
        colour = charts.series(place)
        growth.append(charts.curve(_points(units.growth.units, units.growth.different), words(kind), colour))
        frequencies.append(charts.curve(_points(units.frequencies.rank, units.frequencies.count), words(kind), colour))
    drawn["corpus-growth"] = charts.as_data(charts.plane(growth, x=words("axis_units"), y=words("axis_different"), log_x=True, log_y=True))
    drawn["corpus-frequencies"] = charts.as_data(
        charts.plane(frequencies, x=words("axis_rank"), y=words("axis_frequency"), log_x=True, log_y=True)
    )
    sample = vocabulary.sample
    return {
        "note": words("vocabulary_note", documents=words.many("document", sample.documents), size=words.size(sample.bytes)),
        "kinds": [(words(kind), units, _frequent(units)) for kind, units in kinds],
    }


def _points(x: Sequence[int], y: Sequence[int]) -> list[tuple[float, float | None]]:
    return [(float(a), float(b)) for a, b in zip(x, y, strict=False)]


def _frequent(units: Units) -> list[str]:
    return [unit.unit for unit in units.most_frequent[:FREQUENT]]


def _times(statistics: CorpusStatistics, drawn: Charts, words: Words) -> str:
    time = statistics.time
    if not time.dated:
        return ""
    years = sorted(time.by_year)
    heights = [time.by_year[year].documents for year in years]
    figure = charts.bars(years, heights, x=words("axis_year"), y=words("axis_documents"))
    drawn["corpus-years"] = charts.as_data(figure.update_xaxes(type="linear", tickformat="d", nticks=8))
    return words("time_note", dated=words.many("document", time.dated), undated=words.many("document", time.undated))


def _domains(statistics: CorpusStatistics, words: Words) -> dict[str, Any] | None:
    domains = statistics.domains
    if not domains.different:
        return None
    note = words("domains_note", documents=words.many("document", domains.documents), domains=words.many("domain", domains.different),
                 share=words.percent(domains.share_of_top_10))  # fmt: skip
    return {"note": note, "rows": domains.largest[:DOMAINS], "documents": domains.documents}


def _means(measured: Measured) -> list[tuple[str, float, int]]:
    return [(source, mean.mean, mean.documents) for source, mean in sorted(measured.by_source.items(), key=lambda item: item[1].mean)]


def _mixture(mixture: MixtureFacts, drawn: Charts, words: Words) -> dict[str, Any]:
    rows = sorted(mixture.strata.items(), key=lambda item: (-item[1].wished, item[0]))
    unit = "documents" if mixture.unit == "documents" else "bytes"
    shown = rows[:STRATA]
    wished = [stratum.wished for _, stratum in shown]
    realised = [_share(stratum, unit) for _, stratum in shown]
    none = [None] * len(shown)
    figure = charts.columns(
        [name for name, _ in shown], [(words("realised"), realised, none), (words("wished"), wished, none)], y=words("axis_share")
    )
    figure.update_traces(hovertemplate="%{y:.1%}", texttemplate="%{y:.1%}").update_yaxes(tickformat=".0%")
    drawn["corpus-mixture"] = charts.as_data(figure)
    amount = words.size if unit == "bytes" else words.count
    note = words("mixture_note", wished=amount(mixture.size.wished), realised=amount(mixture.size.realised), unit=words(f"unit_{unit}"))
    return {"note": note, "rows": rows}


def _tokens(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    """Tokens of each source in the training split, the most first."""
    import pyarrow

    if not stage.has(INDEX):
        return []
    try:
        return sorted(by_source(stage.path(INDEX)).items(), key=lambda item: (-item[1]["tokens"], item[0]))
    except (pyarrow.ArrowException, OSError, KeyError):
        stage.trouble("trouble_damaged", INDEX)
        return []


def _share(stratum: Stratum, unit: str) -> float:
    return stratum.realised.documents if unit == "documents" else stratum.realised.bytes


def _duplicates(facts: DuplicateFacts, drawn: Charts, words: Words) -> dict[str, Any]:
    groups = facts.groups
    if groups.count:
        note = words("duplicates_note", groups=words.many("group", groups.count), documents=words.many("document", groups.documents),
                     beyond=words.many("document", groups.beyond_the_first))  # fmt: skip
        names = [words("and_more", n=size.removesuffix(MORE)) if size.endswith(MORE) else size for size in groups.by_size]
        figure = charts.bars(names, list(groups.by_size.values()), x=words("axis_copies"), y=words("axis_groups"))
        if len([size for size in groups.by_size.values() if size]) > 1:
            drawn["corpus-groups"] = charts.as_data(figure)
    else:
        note = words("duplicates_none")
    sources = [(name, row) for name, row in facts.sources.items() if row.repeated_documents]
    return {
        "note": note,
        "sources": sorted(sources, key=lambda item: (-item[1].repeated_documents, item[0])),
        "largest": facts.largest[:CLUSTERS],
        "spans": [(words(kind) if kind in WORDS else kind, row) for kind, row in sorted(facts.spans.items())],
    }


def _classifier(stage: Stage, name: str, drawn: Charts, words: Words) -> tuple[str, str] | None:
    """Its name and what it was found to be; beside it the curve of expected and observed shares."""
    facts = stage.json(f"{name}/classifier.json", ClassifierFacts)
    if facts is None:
        return None
    proof = facts.report.evidence
    ground: list[tuple[float, float | None]] = [(0.0, 0.0), (1.0, 1.0)]
    points: list[tuple[float, float | None]] = [(row.expected, row.observed) for row in proof.table]
    traces = [
        charts.curve(ground, words("perfect"), LIGHT["quiet"], width=1.5, dash="dash"),
        charts.curve(points, words(f"classifier_{name}"), charts.series(0), markers=True),
    ]
    figure = charts.plane(traces, x=words("axis_predicted"), y=words("axis_observed"), height=320)
    figure.update_xaxes(range=[0, 1], tickformat=".0%", hoverformat=".1%").update_yaxes(range=[0, 1.02], tickformat=".0%")
    drawn[f"corpus-{name}"] = charts.as_data(figure.update_traces(hovertemplate="%{y:.1%}"))
    return name, words("classifier_note", documents=words.many("document", proof.documents), accuracy=words.percent(proof.accuracy),
                       auc=words.figure(proof.auc, 3), ece=words.figure(proof.ece, 2))  # fmt: skip
