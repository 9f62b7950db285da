"""How often is a document of each stratum written? In: what is there of each stratum, config. Out: a plan.

    plan = make_plan({"web": Count(90_000, 400_000_000), "wiki": Count(5_000, 30_000_000)}, config.mixture)
    plan.epochs      [0.9, 4.0]: copies of a document, on average, in the order of plan.names

Closed form and pure: no draw is made here (draw.py does that). With sizes n, shares p and a total T, a stratum's documents
are written p T / n times. A stratum over its cap is held there, and what it cannot fill goes to the others by their shares,
until none is over: at most as many rounds as there are strata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.mixture.config import Mixture, Size
from headwater.corpus.mixture.recipes import epochs_of, weights_of

WHERE = "corpus.mixture"


@dataclass(frozen=True)
class Count:
    """What is there of a stratum."""

    documents: int
    bytes: int


@dataclass(frozen=True)
class Part:
    """What becomes of a stratum."""

    name: str
    there: Count
    share: float
    """Wished share of the whole, in the plan's unit."""
    epochs: float
    """Copies of a document, on average."""
    capped: bool


@dataclass(frozen=True)
class Plan:
    """Parts in the order of their names."""

    unit: str
    size: float
    """Wished total in the plan's unit; the parts add up to less only where all are capped."""
    parts: tuple[Part, ...]

    @property
    def names(self) -> list[str]:
        return [part.name for part in self.parts]

    @property
    def epochs(self) -> list[float]:
        return [part.epochs for part in self.parts]


def make_plan(counts: Mapping[str, Count], config: Mixture) -> Plan:
    """Raises HeadwaterError when weights and strata do not fit each other, or a wanted stratum has no document."""
    names = sorted(counts)
    there = {name: _amount(counts[name], config.unit) for name in names}
    shares = _shares(there, config)
    wanted = [name for name in names if shares[name] > 0]
    if empty := [name for name in wanted if there[name] == 0]:
        raise HeadwaterError(f"no text is left of '{empty[0]}', which is to be {shares[empty[0]]:.1%} of the corpus", where=WHERE,
                             mend="give it weight 0, or look at which rules took it")  # fmt: skip
    caps = _caps(wanted, config)
    size = _size({name: there[name] for name in wanted}, shares, config)
    limits = {name: caps[name] * there[name] for name in wanted}
    amounts = _fill({name: shares[name] for name in wanted}, limits, size)
    parts = []
    for name in names:
        if name not in amounts:
            parts.append(Part(name, counts[name], 0.0, 0.0, False))
            continue
        capped = amounts[name] == limits[name]
        parts.append(Part(name, counts[name], shares[name], caps[name] if capped else amounts[name] / there[name], capped))
    return Plan(config.unit, size, tuple(parts))


def _amount(count: Count, unit: str) -> int:
    return count.documents if unit == "documents" else count.bytes


def _shares(there: Mapping[str, int], config: Mixture) -> dict[str, float]:
    """The wished share of every stratum, summing to one."""
    if config.weights is not None:
        _fit(config.weights, there, "weights")
        raw = {name: config.weights[name] for name in there}
    elif config.like is not None:
        raw = _shares_like(there, config)
    else:
        raw = {name: float(amount) ** (1 / config.temperature) if amount else 0.0 for name, amount in there.items()}
    total = sum(raw.values())
    if total == 0:
        raise HeadwaterError("there is no text to mix", where=WHERE, mend="look at which rules took it")
    return {name: value / total for name, value in raw.items()}


def _shares_like(there: Mapping[str, int], config: Mixture) -> dict[str, float]:
    """A category's share, divided among the strata that stand for it in proportion to their sizes."""
    assert config.like is not None and config.map is not None
    _fit([stratum for strata in config.map.values() for stratum in strata], there, "map")
    shares = {}
    for category, weight in weights_of(config.like).items():
        strata = config.map[category]
        whole = sum(there[stratum] for stratum in strata)
        for stratum in strata:
            shares[stratum] = weight * (there[stratum] / whole if whole else 1 / len(strata))
    return shares


def _fit(given: Mapping[str, float] | list[str], there: Mapping[str, int], key: str) -> None:
    """Every stratum is named, and every name is a stratum."""
    if unknown := [name for name in given if name not in there]:
        raise HeadwaterError(f"there is no '{unknown[0]}' in the corpus", where=f"{WHERE}.{key}", mend=nearest(unknown[0], there))
    if missing := [name for name in there if name not in given]:
        mend = "give each a weight; 0 leaves it out" if key == "weights" else "put each under a category, or take the source out"
        raise HeadwaterError(f"nothing is said of {', '.join(missing)}", where=f"{WHERE}.{key}", mend=mend)


def _caps(wanted: list[str], config: Mixture) -> dict[str, float]:
    """Most epochs of every stratum."""
    free = float("inf")
    if config.max_epochs == "like":
        assert config.like is not None and config.map is not None
        epochs = epochs_of(config.like)
        return {stratum: epochs.get(category, free) for category, strata in config.map.items() for stratum in strata}
    if isinstance(config.max_epochs, dict):
        if unknown := [name for name in config.max_epochs if name not in wanted]:
            mend = nearest(unknown[0], wanted)
            raise HeadwaterError(f"there is no '{unknown[0]}' in the mixture", where=f"{WHERE}.max_epochs", mend=mend)
        return {name: config.max_epochs.get(name, free) for name in wanted}
    assert not isinstance(config.max_epochs, str)
    return dict.fromkeys(wanted, free if config.max_epochs is None else config.max_epochs)


def _size(there: Mapping[str, int], shares: Mapping[str, float], config: Mixture) -> float:
    """The wished total, in the plan's unit."""
    if isinstance(config.size, Size):
        return float(config.size.documents or config.size.bytes or 0)
    if config.size == "there":
        return float(sum(there.values()))
    totals = [amount / shares[name] for name, amount in there.items()]
    return max(totals) if config.size == "whole" else min(totals)


def _fill(shares: Mapping[str, float], limits: Mapping[str, float], size: float) -> dict[str, float]:
    """How much of each stratum: by shares, none over its limit, the rest divided again among those that have room."""
    amounts: dict[str, float] = {}
    free = dict(shares)
    while free:
        left = size - sum(amounts.values())
        total = sum(free.values())
        full = [name for name, share in free.items() if left * share / total > limits[name]]
        if not full:
            return amounts | {name: left * share / total for name, share in free.items()}
        for name in full:
            amounts[name] = limits[name]
            del free[name]
    return amounts
