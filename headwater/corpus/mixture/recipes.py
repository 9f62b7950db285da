"""What did others mix? The published mixtures, as shares of the training data and epochs over each source.

Numbers as printed; `weights_of` brings them to a sum of one (GPT-3's printed ones add up to 101 % by rounding).

- gpt3: Brown et al. 2020, table 2.2 (weight in the training mix; epochs elapsed when training for 300 billion tokens)
- pile: Gao et al. 2020, table 1 (weight; epochs)
- llama: Touvron et al. 2023, table 1 (sampling proportion; epochs on 1.4 trillion tokens)
- palm: Chowdhery et al. 2022, table 2 (proportion; epochs are not given)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["gpt3", "pile", "llama", "palm"]


@dataclass(frozen=True)
class Part:
    """One row of a table: percent of the mixture, and how often its source was read."""

    percent: float
    epochs: float | None = None


RECIPES: dict[str, dict[str, Part]] = {
    "gpt3": {
        "common_crawl": Part(60, 0.44),
        "webtext2": Part(22, 2.9),
        "books1": Part(8, 1.9),
        "books2": Part(8, 0.43),
        "wikipedia": Part(3, 3.4),
    },
    "pile": {
        "pile_cc": Part(18.11, 1.0),
        "pubmed_central": Part(14.40, 2.0),
        "books3": Part(12.07, 1.5),
        "openwebtext2": Part(10.01, 2.0),
        "arxiv": Part(8.96, 2.0),
        "github": Part(7.59, 1.0),
        "freelaw": Part(6.12, 1.5),
        "stack_exchange": Part(5.13, 2.0),
        "uspto_backgrounds": Part(3.65, 2.0),
        "pubmed_abstracts": Part(3.07, 2.0),
        "gutenberg": Part(2.17, 2.5),
        "opensubtitles": Part(1.55, 1.5),
        "wikipedia": Part(1.53, 3.0),
        "dm_mathematics": Part(1.24, 2.0),
        "ubuntu_irc": Part(0.88, 2.0),
        "bookcorpus2": Part(0.75, 1.5),
        "europarl": Part(0.73, 2.0),
        "hackernews": Part(0.62, 2.0),
        "youtube_subtitles": Part(0.60, 2.0),
        "philpapers": Part(0.38, 2.0),
        "nih_exporter": Part(0.30, 2.0),
        "enron_emails": Part(0.14, 2.0),
    },
    "llama": {
        "common_crawl": Part(67.0, 1.10),
        "c4": Part(15.0, 1.06),
        "github": Part(4.5, 0.64),
        "wikipedia": Part(4.5, 2.45),
        "books": Part(4.5, 2.23),
        "arxiv": Part(2.5, 1.06),
        "stack_exchange": Part(2.0, 1.03),
    },
    "palm": {
        "social_media": Part(50),
        "web": Part(27),
        "books": Part(13),
        "github": Part(5),
        "wikipedia": Part(4),
        "news": Part(1),
    },
}


def weights_of(name: str) -> dict[str, float]:
    """`{category: share}`, summing to one."""
    total = sum(part.percent for part in RECIPES[name].values())
    return {category: part.percent / total for category, part in RECIPES[name].items()}


def epochs_of(name: str) -> dict[str, float]:
    """`{category: epochs}`; empty where the paper gives none."""
    return {category: part.epochs for category, part in RECIPES[name].items() if part.epochs is not None}
