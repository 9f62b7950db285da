"""What can be told to be wrong with a corpus's recipe before a single file is read? Names of sources,
the `keep:` expression, the model that reads it for the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headwater.core.errors import HeadwaterError, nearest
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.statistics.config import FILES, Statistics


def check(config: Corpus, report: Reporter) -> None:
    """Raises HeadwaterError for the first mistake."""
    known = {source.label for source in config.sources}
    for where, name in _sources_named(config):
        if name not in known:
            raise HeadwaterError(f"there is no source '{name}'", where=f"corpus.{where}", mend=nearest(name, known))
    if isinstance(config.statistics, Statistics):
        missing = [name for name in FILES if not (Path(config.statistics.model) / name).is_file()]
        if missing:
            raise HeadwaterError(f"has no {missing[0]}", where=config.statistics.model, mend="name a model's directory: runs/demo/pretrain")
    if config.keep is not None:
        from headwater.corpus.select import Keep

        Keep(config.keep)


def _sources_named(config: Corpus) -> Iterator[tuple[str, str]]:
    """`(key, name of a source)` wherever a recipe names one."""
    for index, item in enumerate(config.subtract):
        yield from ((f"subtract[{index}].of", name) for name in item.of)
        yield from ((f"subtract[{index}].minus", name) for name in item.minus)
    if config.quality_model is not None:
        for key in ("good", "raw", "judged"):
            yield from ((f"quality_model.{key}", name) for name in getattr(config.quality_model, key))
    if config.topics is not None:
        yield from (("topics.sources", name) for name in config.topics.sources)
    if config.augment is not None:
        yield from (("augment.sources", name) for name in config.augment.sources)
    if config.mixture is not None and config.mixture.by == "source":
        yield from (("mixture.weights", name) for name in config.mixture.weights or {})
        yield from (("mixture.map", name) for names in (config.mixture.map or {}).values() for name in names)
