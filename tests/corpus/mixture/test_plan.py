"""Caps hold, shares are met, what a capped stratum leaves goes to the others: by hand and for any counts."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.mixture.config import Mixture
from headwater.corpus.mixture.plan import Count, Plan, make_plan

THERE = {"books": Count(10, 1_000), "web": Count(80, 8_000), "wiki": Count(10, 1_000)}


def plan(there: dict[str, Count] = THERE, **config: object) -> Plan:
    return make_plan(there, validate(Mixture, config))


def epochs(made: Plan) -> dict[str, float]:
    return {part.name: part.epochs for part in made.parts}


def test_without_a_word_all_is_written_once() -> None:
    assert plan().epochs == [1.0, 1.0, 1.0]


def test_weights_by_hand() -> None:
    made = plan(weights={"web": 5, "books": 3, "wiki": 2})
    assert epochs(made) == pytest.approx({"books": 3.0, "web": 0.625, "wiki": 2.0})


def test_a_cap_by_hand() -> None:
    """Books may fill 2,000 of their 5,000; the 3,000 left go to web and wiki as 3 to 2."""
    made = plan(weights={"books": 5, "web": 3, "wiki": 2}, max_epochs={"books": 2})
    assert epochs(made) == pytest.approx({"books": 2.0, "web": 4_800 / 8_000, "wiki": 3.2})
    assert [part.capped for part in made.parts] == [True, False, False]


def test_caps_follow_each_other() -> None:
    """With wiki capped as well, web gets all that is left."""
    made = plan(weights={"books": 5, "web": 3, "wiki": 2}, max_epochs=2)
    assert epochs(made) == pytest.approx({"books": 2.0, "web": 6_000 / 8_000, "wiki": 2.0})


def test_when_all_are_capped_the_total_falls_short() -> None:
    made = plan(weights={"books": 1, "web": 1, "wiki": 1}, max_epochs=1, size={"bytes": 50_000})
    assert made.epochs == [1.0, 1.0, 1.0]
    assert made.size == 50_000


def test_sizes_that_leave_out_or_repeat_nothing() -> None:
    shares = {"books": 1, "web": 2, "wiki": 1}
    assert epochs(plan(weights=shares, size="once")) == pytest.approx({"books": 1.0, "web": 0.25, "wiki": 1.0})
    assert epochs(plan(weights=shares, size="whole")) == pytest.approx({"books": 4.0, "web": 1.0, "wiki": 4.0})


def test_temperature_is_the_papers_formula() -> None:
    """p ∝ n^(1/T): at T = 3, of 8,000 and 1,000 the shares are as 2 to 1."""
    made = plan(temperature=3)
    assert [part.share for part in made.parts] == pytest.approx([0.25, 0.5, 0.25])


def test_weight_nought_leaves_out_and_blows_nothing_up() -> None:
    made = plan(weights={"books": 1, "web": 0, "wiki": 3})
    assert epochs(made) == {"books": 0.5, "web": 0.0, "wiki": 1.5}
    assert made.size == 2_000


def test_in_documents() -> None:
    made = plan(unit="documents", weights={"books": 1, "web": 1, "wiki": 2}, size={"documents": 40})
    assert epochs(made) == pytest.approx({"books": 1.0, "web": 0.125, "wiki": 2.0})


def test_a_published_mixture_divides_a_category_by_size() -> None:
    there = {"a": Count(1, 300), "b": Count(1, 100), **{name: Count(1, 100) for name in ("c4", "gh", "wp", "bk", "ax", "se")}}
    names = {
        "common_crawl": ["a", "b"],
        "c4": "c4",
        "github": "gh",
        "wikipedia": "wp",
        "books": "bk",
        "arxiv": "ax",
        "stack_exchange": "se",
    }
    made = plan(there, like="llama", map=names)
    assert {part.name: part.share for part in made.parts} == pytest.approx(
        {"a": 0.5025, "b": 0.1675, "c4": 0.15, "gh": 0.045, "wp": 0.045, "bk": 0.045, "ax": 0.025, "se": 0.02}
    )
    capped = plan(there, like="llama", map=names, max_epochs="like")
    assert epochs(capped)["gh"] <= 0.64 and epochs(capped)["wp"] <= 2.45


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"weights": {"web": 1}}, "corpus.mixture.weights: nothing is said of books, wiki; give each a weight"),
        ({"weights": {"web": 1, "books": 1, "wiki": 1, "wikis": 1}}, "there is no 'wikis' in the corpus; did you mean 'wiki'?"),
        ({"max_epochs": {"wikis": 1}}, "did you mean 'wiki'?"),
    ],
)
def test_weights_that_do_not_fit_the_corpus(config: dict[str, object], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        plan(**config)
    assert said in str(caught.value)


def test_a_wanted_stratum_without_text_is_said() -> None:
    with pytest.raises(HeadwaterError, match="no text is left of 'wiki', which is to be 50"):
        plan({"web": Count(3, 30), "wiki": Count(0, 0)}, weights={"web": 1, "wiki": 1})


strata = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**9), min_size=1)
weight = st.floats(1e-3, 1e3)


@settings(max_examples=300, deadline=None)
@given(strata, st.data(), st.integers(1, 10**10))
def test_for_any_corpus(sizes: dict[str, int], data: st.DataObject, size: int) -> None:
    there = {name: Count(max(1, amount // 100), amount) for name, amount in sizes.items()}
    weights = {name: data.draw(weight) for name in sizes}
    caps = {name: data.draw(st.floats(0.01, 20)) for name in sizes if data.draw(st.booleans())}
    made = plan(there, weights=weights, max_epochs=caps or None, size={"bytes": size})
    written = {part.name: part.epochs * sizes[part.name] for part in made.parts}
    assert all(times <= caps.get(name, times) for name, times in epochs(made).items())
    free = [part.name for part in made.parts if not part.capped]
    if free:
        assert sum(written.values()) == pytest.approx(size)
    else:
        assert sum(written.values()) <= size * (1 + 1e-9)
    for a, b in itertools.combinations(free, 2):  # those that are not capped keep their proportion
        assert written[a] * weights[b] == pytest.approx(written[b] * weights[a])
    for part in made.parts:
        if part.capped and free:  # a cap is only ever a cut: an uncapped neighbour got at least as much a weight
            assert written[part.name] / weights[part.name] <= written[free[0]] / weights[free[0]] * (1 + 1e-9)
