"""Where tags are said: a word's first token, or in a decoder its last; and no word is lost when a text is longer than a row."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.alignment.examples import Gathered
from headwater.alignment.examples_rows import Tagged
from headwater.alignment.finetune_config import Finetune
from headwater.alignment.finetune_lesson import Lesson
from headwater.alignment.finetune_tags import Tags
from headwater.model.config import ModelConfig
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

TOKENIZER = train(Bytes(specials=("cls", "sep")), [])


def tags(examples: list[Tagged], kind: str, join: str = " ") -> Tags:
    block = {"task": {"kind": "tagging", "join": join}, "sources": [{"path": "x"}], "steps": 50}
    shape = {"kind": kind, "layers": 1, "width": 16, "heads": 2, "context": 16, "head": {"kind": "tags", "classes": 2}}
    model = ModelConfig.model_validate(shape).with_vocabulary(TOKENIZER.vocab_size)
    return Tags(Lesson(Finetune.model_validate(block), model, TOKENIZER, Gathered(examples, examples, ("N", "O"), {}, []), 0))


@pytest.mark.parametrize(("kind", "places"), [("encoder", [1, 3, 8]), ("decoder", [2, 7, 9])])
def test_the_first_token_or_the_last(kind: str, places: list[int]) -> None:
    """`ab cdef 山`, byte by byte; a word's space is its first byte."""
    taught = tags([Tagged("t", ("ab", "cdef", "g"), ("O", "N", "O"))], kind)
    (piece,) = taught.held_out[0]
    assert TOKENIZER.decode(piece.item.row.tokens[1:-1]) == "ab cdef g"
    assert piece.marks == places
    assert piece.item.row.weights is not None
    assert piece.item.row.weights.nonzero()[0].tolist() == places
    assert [taught.labels[piece.item.row.targets[place]] for place in places] == ["O", "N", "O"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("ab山", min_size=1, max_size=8), st.sampled_from("NO")), min_size=1, max_size=12))
def test_every_word_has_its_tag_in_some_row(words: list[tuple[str, str]]) -> None:
    example = Tagged("t", tuple(word for word, _ in words), tuple(tag for _, tag in words))
    for kind in ("encoder", "decoder"):
        taught = tags([example], kind, join="")
        pieces = taught.held_out[0]
        assert all(len(piece.item.row.tokens) <= 16 and piece.marks for piece in pieces)
        said = [taught.labels[piece.item.row.targets[mark]] for piece in pieces for mark in piece.marks]
        assert said == [tag for _, tag in words]
        network = taught.lesson.model.build(0).eval()
        assert [len(answer["said"]) for answer in taught.answer(network, [0])] == [len(words)]


def test_rows_of_many_texts_go_back_to_their_texts() -> None:
    """Answers do not depend on which others are asked, nor on how many stand in a batch."""
    examples = [Tagged(str(n), ("ab",) * (n % 7 + 1), ("O",) * (n % 7 + 1)) for n in range(40)]
    taught = tags(examples, "encoder")
    network = taught.lesson.model.build(0).eval()
    together = taught.answer(network, range(40))
    assert [taught.answer(network, [n])[0]["said"] for n in range(40)] == [answer["said"] for answer in together]
    assert taught.counts["divided"] > 0
