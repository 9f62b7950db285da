from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.generation.generate import generate, stream
from headwater.generation.sampling import Sampling
from headwater.generation.stop import StopStrings, until
from headwater.generation.text import text_stream
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train
from tests.model.conftest import tiny

BYTES = train(Bytes(), [])
TEXT = "eins, zwei: 水源头 — 🙂. Ende"


def watched(text: str, *strings: str) -> tuple[str, str | None, int]:
    """The text that is kept, what ended it, and how many tokens it took."""
    watch = StopStrings(BYTES, strings).watch()
    count = 0
    for count, id in enumerate(BYTES.encode(text), start=1):
        if watch.add(id):
            return watch.text, watch.found, count
    watch.close()
    return watch.text, watch.found, count


@pytest.mark.parametrize(
    ("strings", "kept", "found"),
    [
        ((", z",), "eins", ", z"),
        (("源头",), "eins, zwei: 水", "源头"),
        (("🙂",), "eins, zwei: 水源头 — ", "🙂"),
        (("zwei", "eins"), "", "eins"),
        (("Ende", "nirgends"), TEXT[:-4], "Ende"),
        (("nirgends",), TEXT, None),
        ((), TEXT, None),
    ],
)
def test_the_answer_is_cut_before_the_first(strings: tuple[str, ...], kept: str, found: str | None) -> None:
    assert watched(TEXT, *strings)[:2] == (kept, found)
    assert "".join(until(text_stream(BYTES, BYTES.encode(TEXT)), strings)) == kept


def test_it_is_found_with_its_last_byte() -> None:
    assert watched(TEXT, "源")[2] == len("eins, zwei: 水源".encode())


def test_of_two_that_begin_together_the_longer_names_itself() -> None:
    assert list(until(["a<e", "nd>b"], ["<end>", "<en"])) == ["a"]
    watch = StopStrings(BYTES, ["<", "<<"]).watch()
    assert watch._take("x<<") == "<<"  # both in one piece
    assert watch.text == "x"


def test_text_that_only_begins_like_one_comes_late_but_whole() -> None:
    assert list(until(["a<e", "n", "x<", "en"], ["<end>"])) == ["a", "<enx", "<en"]


def test_nothing_is_asked_for_beyond_the_stop_string() -> None:
    ids = iter(BYTES.encode("ab.cd"))
    assert "".join(until(text_stream(BYTES, ids), ["."])) == "ab"
    assert BYTES.decode(ids) == "cd"


@given(st.text(alphabet="ab源", max_size=12), st.lists(st.text(alphabet="ab源", min_size=1, max_size=3), max_size=3))
def test_both_ways_cut_alike(text: str, strings: list[str]) -> None:
    kept, found, _ = watched(text, *strings)
    assert "".join(until(text_stream(BYTES, BYTES.encode(text)), strings)) == kept
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(string) for string in strings)]
    if not ends:
        assert (kept, found) == (text, None)
    else:
        first = text[: ends[0]]
        longest = max((string for string in strings if first.endswith(string)), key=len)
        assert (kept, found) == (first.removesuffix(longest), longest)


def test_an_empty_one_is_refused() -> None:
    with pytest.raises(HeadwaterError, match="an empty stop string"):
        StopStrings(BYTES, ["."  , ""])  # fmt: skip


def test_rows_of_a_batch_stop_each_for_itself() -> None:
    network = tiny(context=64).build(3)
    sampling = Sampling(temperature=1.2, top_k=60, max_tokens=30)
    prompts = [BYTES.encode(text) for text in ("ab", "x", "源头")]
    free = generate(network, prompts, sampling, stop=set(), seed=1)
    texts = [BYTES.decode(row.tokens) for row in free]
    strings = [texts[0][4:6], texts[1][9:11]]
    found = generate(network, prompts, sampling, stop=set(), seed=1, stop_strings=StopStrings(BYTES, strings))
    for prompt, whole, row in zip(prompts, free, found, strict=True):
        kept, by, _ = watched(BYTES.decode(whole.tokens), *strings)
        if "\ufffd" not in kept:
            assert (row.text, row.stopped_by) == (kept, by)
        assert row.tokens == whole.tokens[: len(row.tokens)]
        assert (len(row.tokens) < 30) == row.finished
        index = prompts.index(prompt)
        pieces = text_stream(BYTES, stream(network, prompt, sampling, stop=set(), seed=1, key=index))
        assert "".join(until(pieces, strings)) == row.text
    assert sum(row.finished for row in found) >= 2
