"""What is read of the corpus stage's files beside its funnel? Classes by file; the files' other fields are passed over."""

from __future__ import annotations

from pydantic import Field

from headwater.release.report.evidence import Shape, Size


class Distribution(Shape):
    """Of lengths: log-spaced bins, the first of which is `first_bin`."""

    mean: float | None = None
    quantiles: dict[str, int] = Field(default={})
    longest: int = 0
    first_bin: int = 0
    histogram: list[int] = Field(default=[])


class Lengths(Shape):
    bins_per_decade: int
    all: Distribution
    by_language: dict[str, Distribution] = Field(default={})


class Law(Shape):
    exponent: float
    factor: float
    r2: float


class Growth(Shape):
    units: list[int]
    different: list[int]
    heaps: Law | None = None


class Frequencies(Shape):
    rank: list[int]
    count: list[int]
    zipf: Law | None = None


class Unit(Shape):
    unit: str
    count: int


class Units(Shape):
    """Words, or characters."""

    total: int
    different: int
    once: int
    growth: Growth
    frequencies: Frequencies
    most_frequent: list[Unit] = Field(default=[])


class Vocabulary(Shape):
    sample: Size
    words: Units | None = None
    characters: Units | None = None


class Domain(Size):
    domain: str


class Domains(Shape):
    documents: int
    different: int
    share_of_top_10: float
    largest: list[Domain] = Field(default=[])


class Times(Shape):
    dated: int
    undated: int
    by_year: dict[str, Size] = Field(default={})


class Mean(Shape):
    documents: int
    mean: float


class Measured(Shape):
    documents: int
    mean: float | None = None
    quantiles: dict[str, float] = Field(default={})
    by_source: dict[str, Mean] = Field(default={})


class CorpusStatistics(Shape):
    """corpus: statistics.json"""

    documents: int
    bytes: int
    lengths: Lengths
    vocabulary: Vocabulary
    domains: Domains
    time: Times
    measures: dict[str, Measured] = Field(default={})


class Shares(Shape):
    documents: float
    bytes: float


class Stratum(Shape):
    there: Size
    used: int
    written: Size
    epochs: float
    capped: bool = False
    wished: float
    realised: Shares


class Amount(Shape):
    wished: float
    realised: float


class MixtureFacts(Shape):
    """corpus: mixture.json"""

    unit: str
    size: Amount
    strata: dict[str, Stratum]


class Groups(Shape):
    count: int
    documents: int
    beyond_the_first: int
    by_size: dict[str, int] = Field(default={})


class Cluster(Shape):
    documents: int
    ids: list[str] = Field(default=[])
    sources: dict[str, int] = Field(default={})
    excerpt: str = ""


class Repeated(Shape):
    documents: int
    bytes: int
    repeated_documents: int
    repeated_bytes: int


class Spans(Shape):
    spans: int
    documents: int
    characters: int


class DuplicateFacts(Shape):
    """corpus: duplicates.json"""

    groups: Groups
    largest: list[Cluster] = Field(default=[])
    sources: dict[str, Repeated] = Field(default={})
    spans: dict[str, Spans] = Field(default={})


class ExamplesFound(Shape):
    """Of one evaluation set: dirty examples before and after removal."""

    examples: int
    too_short: int = 0
    dirty_before: int
    dirty_after: int


class ContaminationFacts(Shape):
    """corpus: contamination.json"""

    contaminated_documents: int
    sets: dict[str, ExamplesFound]


class Bin(Shape):
    """A tenth of the probabilities: their mean, and how often it was so."""

    expected: float
    observed: float
    documents: float


class Evidence(Shape):
    documents: int
    accuracy: float
    auc: float
    ece: float
    table: list[Bin] = Field(default=[])


class Trained(Shape):
    examples: dict[str, int] = Field(default={})
    evidence: Evidence


class ClassifierFacts(Shape):
    """corpus: quality_model/classifier.json, topics/classifier.json"""

    labels: list[str]
    report: Trained


class Kind(Shape):
    """Of one detector: a kind of what was planted."""

    planted: int
    found: int


class Detected(Shape):
    """What was planted for a detector, how much of that it found, and how much else."""

    detector: str
    planted: int
    found: int
    false: int
    recall: float | None = None
    precision: float | None = None
    kinds: dict[str, Kind] = Field(default={})


class ProofFacts(Shape):
    """corpus: proof.json"""

    carriers: int
    detectors: list[Detected]
