"""Transfer: what is taken, what stays as it was drawn, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.directory import Model
from headwater.model.transfer import extended, token_rows, transfer
from headwater.tokens.config import Characters
from headwater.tokens.tokenizer import Tokenizer, train
from tests.model.conftest import GPT2_LIKE, tiny

GPT2: dict[str, Any] = {**GPT2_LIKE, "kv_heads": None}
OLD, NEW = train(Characters(), ["abcdef"]), train(Characters(specials=("mask",)), ["xafbcz"])


def model(tokenizer: Tokenizer = OLD, **changes: Any) -> Model:
    config = tiny(**{"vocab_size": tokenizer.vocab_size, **changes})
    return Model(config.build(7), tokenizer, config, None, Path("models/old"))


def network(tokenizer: Tokenizer = OLD, **changes: Any) -> Any:
    return tiny(**{"vocab_size": tokenizer.vocab_size, **changes}).build(1)


@pytest.mark.parametrize("changes", [{}, {"tied": False}, GPT2])
def test_the_whole_network(changes: dict[str, Any]) -> None:
    ours, source = network(**changes), model(**changes)
    assert transfer(ours, source, OLD) == []
    tokens = torch.arange(20)[None]
    assert torch.equal(ours(tokens), source.network(tokens))


def test_rows_go_by_what_they_stand_for() -> None:
    ours, source = network(NEW, tied=False, biases={"head": True}), model(tied=False, biases={"head": True})
    with torch.no_grad():
        source.network.output.bias.copy_(torch.arange(OLD.vocab_size))
    assert transfer(ours, source, NEW) == []
    for name in ("embedding.tokens.weight", "output.weight", "output.bias"):
        after, before = ours.state_dict()[name], source.network.state_dict()[name]
        for text in "abcf\n源":
            assert torch.equal(after[NEW.encode(text)], before[OLD.encode(text)])
        for special in ("end", "turn"):
            assert torch.equal(after[NEW.special(special)], before[OLD.special(special)])
    assert OLD.encode("abcf") != NEW.encode("abcf"), "the same ids on both sides would show nothing"
    kept, new = token_rows(OLD, NEW)
    assert {NEW.token(id) for id in new} == {"x", "z", "<|mask|>"}
    assert set(kept) | set(new) == set(range(NEW.vocab_size))
    table, before = ours.embedding.tokens.weight.detach(), source.network.embedding.tokens.weight.detach()
    mean = before[list(kept.values())].mean(dim=0)
    distance = (table[new] - mean).std()
    assert 0.001 * before.std() < distance < 0.05 * before.std()
    assert not torch.equal(table[new[0]], table[new[1]])


def test_new_rows_are_drawn_from_the_seed() -> None:
    tables = []
    for seed in (0, 0, 1):
        ours = network(NEW)
        transfer(ours, model(), NEW, seed=seed)
        tables.append(ours.embedding.tokens.weight.detach().clone())
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def test_padding_rows_keep_what_they_were_drawn_as() -> None:
    ours = network(NEW, vocab_size=NEW.vocab_size + 5)
    before = ours.embedding.tokens.weight.detach().clone()
    transfer(ours, model(), NEW)
    assert torch.equal(ours.embedding.tokens.weight[NEW.vocab_size :], before[NEW.vocab_size :])


def test_the_table_alone_with_a_projection() -> None:
    source = model()
    ours = network(NEW, width=48, heads=4, kv_heads=4, layers=3, norm={"kind": "layer"}, embedding={"width": 32})
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    kept = transfer(ours, source, NEW, "embedding")
    assert sorted(kept) == sorted(before.keys() - {"embedding.tokens.weight"})
    assert all(torch.equal(before[name], ours.state_dict()[name]) for name in kept)
    row, old = NEW.encode("a")[0], OLD.encode("a")[0]
    assert torch.equal(ours.embedding.tokens.weight[row], source.network.embedding.tokens.weight[old])
    assert ours(torch.arange(20)[None]).isfinite().all()


@pytest.mark.parametrize("head", [{"kind": "scalar"}, {"kind": "classes", "classes": 3, "pool": "last"}, {"kind": "lm", "future": 1}])
def test_a_head_of_another_kind_stays_as_it_was_drawn(head: dict[str, Any]) -> None:
    ours, source = network(head=head), model(tied=False)
    if head["kind"] == "lm":
        ours = network(head=head, tied=False)
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    kept = transfer(ours, source, OLD)
    assert kept
    assert all(name.startswith(("output.", "ahead.")) for name in kept)
    assert all(torch.equal(before[name], ours.state_dict()[name]) for name in kept)
    tokens = torch.arange(20)[None]
    assert torch.equal(ours.hidden(tokens), source.network.hidden(tokens))


def test_the_body_alone() -> None:
    ours, source = network(tied=False), model(tied=False)
    assert transfer(ours, source, OLD, "body") == ["output.weight"]


def test_one_table_goes_on_as_two() -> None:
    ours, source = network(tied=False), model()
    assert transfer(ours, source, OLD) == []
    tokens = torch.arange(20)[None]
    assert (ours(tokens) - source.network(tokens)).abs().max() == 0


def test_a_shorter_context_takes_the_first_positions() -> None:
    ours, source = network(**GPT2, context=10), model(**GPT2)
    assert transfer(ours, source, OLD) == []
    tokens = torch.arange(10)[None]
    assert torch.equal(ours(tokens), source.network(tokens))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("ours", "theirs", "parts", "sentence"),
    [
        ({"layers": 3}, {}, "all", "models/old: has layers 2, the new model 3; give the new model the same"),
        ({"positions": {"kind": "rope", "base": 500.0}}, {}, "all", "has positions.base 10000.0, the new model 500.0"),
        ({"norm": {"eps": 1e-6}}, {}, "body", "has norm.eps 1e-05, the new model 1e-06"),
        ({}, {"tied": False}, "all", "has output.weight, the new model has not; say model.tied: false"),
        ({"biases": {"head": True}}, {}, "all", "lacks output.bias"),
        ({"width": 48}, {}, "embedding", "in the shape [268, 32], the new model in [268, 48]; say model.embedding.width"),
        ({**GPT2, "context": 40}, GPT2, "all", "positions.weight in the shape [24, 32], the new model in [40, 32]; take no longer"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(ours: dict[str, Any], theirs: dict[str, Any], parts: Any, sentence: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        transfer(network(**ours), model(**theirs), OLD, parts)
    assert sentence in str(caught.value)


def test_no_shared_token_still_begins_at_the_mean() -> None:
    old = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    rows = extended(old, torch.zeros(3, 4), {}, [0, 1, 2], 0, "x")
    assert (rows - old.mean(dim=0)).abs().max() < 0.1
