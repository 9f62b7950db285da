"""One script for all Chinese. In: a text. Out: the text in Simplified or Traditional characters, and how many changed.

OpenCC's tables (phrases before characters: 皇后 stays 皇后 where 后面 becomes 後面); an optional extra.
"""

from __future__ import annotations

from collections.abc import Callable

from headwater.core.errors import HeadwaterError
from headwater.corpus.normalise.normal import differing

TABLES = {"simplified": "t2s", "traditional": "s2t"}


def converter(script: str) -> Callable[[str], tuple[str, int]]:
    """Raises HeadwaterError without the extra."""
    try:
        from opencc import OpenCC
    except ImportError:
        raise HeadwaterError("needs OpenCC, which is not installed", where=f"corpus.normalise.han={script}",
                             mend="pip install 'headwater[opencc]'") from None  # fmt: skip
    convert = OpenCC(TABLES[script]).convert

    def converted(text: str) -> tuple[str, int]:
        after: str = convert(text)
        return after, differing(text, after)

    return converted
