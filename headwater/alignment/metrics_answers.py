"""How near is an answer to the right ones? SQuAD's exact match and F1 of tokens (Rajpurkar et al. 2016, section 6.1).

Texts are compared in lower case, without punctuation and English articles. Chinese, Japanese and Korean characters are tokens of
their own (as CMRC 2018 counts them, Cui et al. 2019); elsewhere white space parts tokens. Of several right answers the best counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
# Han with its extensions, kana, and Hangul syllables.
ALONE = re.compile(r"([\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])")
SIGNS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")  # the official script's, Python's string.punctuation


def tokens(text: str) -> list[str]:
    plain = "".join(sign for sign in text.lower() if not _is_sign(sign))
    return ALONE.sub(r" \1 ", ARTICLES.sub(" ", plain)).split()


def _is_sign(sign: str) -> bool:
    """ASCII's as the official script has them; of the rest those that Unicode calls punctuation."""
    return sign in SIGNS or (not sign.isascii() and unicodedata.category(sign).startswith("P"))


def exact(said: str, answers: Sequence[str]) -> float:
    """1 or 0. Without a right answer, saying nothing is right (Rajpurkar et al. 2018)."""
    return float(any(tokens(said) == tokens(answer) for answer in answers or [""]))


def f1(said: str, answers: Sequence[str]) -> float:
    return max(_f1(tokens(said), tokens(answer)) for answer in answers or [""])


def _f1(said: Sequence[str], meant: Sequence[str]) -> float:
    if not said or not meant:
        return float(said == meant)
    common = (Counter(said) & Counter(meant)).total()
    return 2 * common / (len(said) + len(meant))
