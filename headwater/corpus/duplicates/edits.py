"""How alike are two source files? By edit distance, as in PaLM (Chowdhery et al. 2022, section 3).

A copied file with a renamed variable has few shingles left of the many lines where it stands, but nearly all of its characters.
"""

from __future__ import annotations

from headwater.corpus.duplicates.config import Code


def edit_similarity(left: str, right: str, config: Code) -> float | None:
    """1 - Levenshtein distance / longer length; 0 below the threshold; None when one is too long for a product of lengths."""
    from rapidfuzz.distance import Levenshtein

    if max(len(left), len(right)) > config.longest:
        return None
    return float(Levenshtein.normalized_similarity(left, right, score_cutoff=config.threshold))
