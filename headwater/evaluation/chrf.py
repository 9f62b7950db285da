"""How much of a reference's characters does a text say? chrF, the character n-gram F-score (Popović 2015, eq. 1).

    chrF = (1 + β²) · P · R / (β² P + R)

P and R are precision and recall of character n-grams, averaged over n = 1 … 6; β = 2 counts recall twice as much. White
space is left out, so the score needs no words and suits every script. Between 0 and 1; papers print it times 100.
An n that one of the two texts is too short for says nothing and is left out of the averages.
"""

from __future__ import annotations

from collections import Counter

ORDER = 6
BETA = 2.0


def chrf(text: str, reference: str, order: int = ORDER, beta: float = BETA) -> float:
    text, reference = "".join(text.split()), "".join(reference.split())
    precisions: list[float] = []
    recalls: list[float] = []
    for n in range(1, order + 1):
        said, meant = _ngrams(text, n), _ngrams(reference, n)
        if said and meant:
            common = (said & meant).total()
            precisions.append(common / said.total())
            recalls.append(common / meant.total())
    if not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter(text[start : start + n] for start in range(len(text) - n + 1))
