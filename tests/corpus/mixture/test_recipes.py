"""The tables add up as their papers print them."""

import pytest

from headwater.corpus.mixture.recipes import RECIPES, epochs_of, weights_of

PRINTED = {"gpt3": 101.0, "pile": 100.0, "llama": 100.0, "palm": 100.0}
PILE_GIB = {
    "pile_cc": 227.12, "pubmed_central": 90.27, "books3": 100.96, "openwebtext2": 62.77, "arxiv": 56.21, "github": 95.16, "freelaw": 51.15,
    "stack_exchange": 32.20, "uspto_backgrounds": 22.90, "pubmed_abstracts": 19.26, "gutenberg": 10.88, "opensubtitles": 12.98,
    "wikipedia": 6.38, "dm_mathematics": 7.75, "ubuntu_irc": 5.52, "bookcorpus2": 6.30, "europarl": 4.59, "hackernews": 3.90,
    "youtube_subtitles": 3.73, "philpapers": 2.38, "nih_exporter": 1.89, "enron_emails": 0.88,
}  # fmt: skip
GPT3_TOKENS = {"common_crawl": 410e9, "books1": 12e9, "books2": 55e9, "wikipedia": 3e9}


@pytest.mark.parametrize("name", RECIPES)
def test_percents_add_up_as_printed_and_weights_to_one(name: str) -> None:
    assert sum(part.percent for part in RECIPES[name].values()) == pytest.approx(PRINTED[name], abs=0.005)
    assert sum(weights_of(name).values()) == pytest.approx(1)
    assert set(weights_of(name)) == set(RECIPES[name])


def test_the_piles_weights_follow_from_its_sizes_and_epochs() -> None:
    """Table 1's other columns: raw sizes of 825.18 GiB in all, effective ones of 1,254.20."""
    assert sum(PILE_GIB.values()) == pytest.approx(825.18, abs=0.01)
    effective = {name: size * epochs_of("pile")[name] for name, size in PILE_GIB.items()}
    assert sum(effective.values()) == pytest.approx(1254.20, abs=0.2)
    for name, size in effective.items():
        assert 100 * size / 1254.20 == pytest.approx(RECIPES["pile"][name].percent, abs=0.006), name


def test_gpt3s_epochs_follow_from_its_weights_where_the_paper_agrees_with_itself() -> None:
    """Epochs = weight · 300 B / tokens, within the rounding of the weight (WebText2's 2.9 would be 3.5: the paper's own)."""
    for name, tokens in GPT3_TOKENS.items():
        part = RECIPES["gpt3"][name]
        low, high = ((part.percent + off) / 100 * 300e9 / tokens for off in (-0.5, 0.5))
        assert part.epochs is not None and low - 0.05 <= part.epochs <= high + 0.05, name


def test_palm_gives_no_epochs() -> None:
    assert epochs_of("palm") == {}
