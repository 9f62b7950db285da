"""Windows over long texts: every answer stands whole where its label says, in whatever script and at whatever byte a token ends."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.alignment.examples import Gathered
from headwater.alignment.examples_rows import Question
from headwater.alignment.finetune_config import Finetune
from headwater.alignment.finetune_lesson import Lesson
from headwater.alignment.finetune_spans import Spans, Window
from headwater.model.config import ModelConfig
from headwater.objectives.labelled import Item
from headwater.tokens.config import BPE, Bytes
from headwater.tokens.tokenizer import Tokenizer, train

BYTES = train(Bytes(specials=("cls", "sep")), [])
MERGED = train(BPE(vocab_size=270, specials=("cls", "sep")), ["the river 山水 flows, the river 山水 stands"] * 9)


def spans(examples: list[Question], tokenizer: Tokenizer, kind: str = "encoder", stride: int = 5) -> Spans:
    block = {"task": {"kind": "span", "stride": stride, "longest_question": 4}, "sources": [{"path": "x"}], "steps": 50}
    model = ModelConfig.model_validate({"kind": kind, "layers": 1, "width": 16, "heads": 2, "context": 24})
    found = Gathered(examples, examples, (), {}, [])
    return Spans(Lesson(Finetune.model_validate(block), model.with_vocabulary(tokenizer.vocab_size), tokenizer, found, 0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["the", " ", "river", "山", "水", "é", "😀", ", "]), min_size=1, max_size=25), st.data())
def test_labels_point_at_the_answer(pieces: list[str], data: st.DataObject) -> None:
    context = "".join(pieces)
    start = data.draw(st.integers(0, len(context) - 1))
    answer = context[start : start + data.draw(st.integers(1, 4))]
    for tokenizer in (BYTES, MERGED):
        windows = spans([Question("q", "who is it?", context, ((start, answer),))], tokenizer).held_out[0]
        ids, places = tokenizer.encode_placed(context)
        room = 24 - 3 - 4
        covered = sorted({place for window in windows for place in window.places})
        assert covered == sorted(set(places))
        whole = [number for number, (begin, end) in enumerate(places) if begin < start + len(answer) and end > start]
        if len(whole) <= room - 5:  # windows overlap by so much
            assert any(window.label != (0, 0) for window in windows)
        for window in windows:
            assert len(window.item.row.tokens) <= 24
            if window.label != (0, 0):
                first, last = (place - window.offset for place in window.label)
                text = context[window.places[first][0] : window.places[last][1]]
                assert answer in text
                assert window.item.row.tokens[window.label[0] : window.label[1] + 1].tolist() == [ids[n] for n in whole]


def test_the_best_span_is_the_best_of_all_pairs() -> None:
    taught = spans([Question("q", "?", "river", ())], BYTES)
    row = taught.how.row([1, 2], list(range(10)))
    window = Window(Item(row, (0, 0), "q"), (0, 0), 4, [(n, n + 1) for n in range(10)])
    generator = torch.Generator().manual_seed(1)
    for longest in (1, 3, 30):
        taught.task = taught.task.model_copy(update={"longest_answer": longest})
        logits_T2 = torch.randn(len(row.tokens), 2, generator=generator, dtype=torch.float64)
        score, nothing, first, last = taught._best(logits_T2, window)
        pairs = {(s, e): float(logits_T2[4 + s, 0] + logits_T2[4 + e, 1]) for s in range(10) for e in range(s, 10) if e - s < longest}
        assert (first, last) == max(pairs, key=lambda pair: pairs[pair])
        assert score == pairs[first, last]
        assert nothing == float(logits_T2[0].sum())


def test_a_question_is_cut_and_counted() -> None:
    taught = spans([Question("q", "a question that is long", "river", ((0, "river"),))], BYTES, kind="decoder")
    assert taught.counts["cut"] == 2  # learned and held out
    assert len(taught.held_out) == 1
