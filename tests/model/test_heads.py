from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from headwater.model.heads import Positions, Scalar, Sequences, Vector, Vocabulary, build_head, pool
from tests.model.conftest import tiny

X = torch.randn(3, 5, 32, generator=torch.Generator().manual_seed(0))
TABLE = torch.randn(262, 32, generator=torch.Generator().manual_seed(1))
RIGHT = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]).bool()


def head(part: dict[str, Any], **changes: Any) -> Any:
    kind = "encoder" if part["kind"] in ("classes", "embedding") else "decoder"
    made = build_head(tiny(**{"kind": kind, "head": part, **changes}))
    for number, tensor in enumerate(made.parameters()):
        torch.nn.init.normal_(tensor, generator=torch.Generator().manual_seed(number))
    return made


@pytest.mark.parametrize("where", ["first", "last", "mean"])
@pytest.mark.parametrize("real", [RIGHT, RIGHT.flip(1), None], ids=["right", "left", "none"])
def test_a_text_is_read_at_its_real_tokens(where: str, real: torch.Tensor | None) -> None:
    found = pool(X, real, where)
    for row in range(3):
        kept = [X[row, place] for place in range(5) if real is None or real[row, place]]
        expected = {"first": kept[0], "last": kept[-1], "mean": sum(kept) / len(kept)}[where]
        torch.testing.assert_close(found[row], expected)


def test_tied_logits_are_products_with_the_table() -> None:
    made = head({"kind": "lm"})
    assert not list(made.parameters())
    torch.testing.assert_close(made(X, TABLE), X @ TABLE.T)


def test_untied_logits_have_their_own_matrix_and_perhaps_a_bias() -> None:
    made = head({"kind": "lm"}, tied=False, biases={"head": True})
    torch.testing.assert_close(made(X, TABLE), X @ made.weight.T + made.bias)
    assert head({"kind": "lm"}, tied=False).bias is None


@pytest.mark.parametrize(("scale", "factor"), [("width", 1 / math.sqrt(32)), (0.25, 0.25)])
def test_logits_are_scaled_then_bent(scale: float | str, factor: float) -> None:
    """PaLM divides by sqrt(width); Gemma 2 bends below 30. Order matters where both are."""
    plain = X @ TABLE.T
    torch.testing.assert_close(head({"kind": "lm", "scale": scale})(X, TABLE), plain * factor)
    bent = head({"kind": "lm", "scale": scale, "softcap": 3.0})(X, TABLE)
    torch.testing.assert_close(bent, 3 * torch.tanh(plain * factor / 3))
    assert bent.abs().max() <= 3.0


def test_a_narrow_table_is_reached_by_a_projection() -> None:
    """OPT-350M: 512 features in the table, 1024 in the model."""
    made = head({"kind": "lm"}, embedding={"width": 16})
    torch.testing.assert_close(made(X, TABLE[:, :16]), X @ made.fall.weight.T @ TABLE[:, :16].T)
    untied = head({"kind": "lm"}, embedding={"width": 16}, tied=False)
    assert untied.weight.shape == (262, 16)


def test_hidden_tokens_go_through_a_dense_layer_gelu_and_norm() -> None:
    made = head({"kind": "mlm", "next_sentence": True}, kind="encoder", norm={"kind": "layer", "eps": 1e-3}, biases=True)
    h = X @ made.dense.weight.T + made.dense.bias
    h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
    h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, keepdim=True, correction=0) + 1e-3).sqrt() * made.norm.weight + made.norm.bias
    torch.testing.assert_close(made(X, TABLE, RIGHT), h @ TABLE.T + made.bias, atol=1e-4, rtol=1e-4)
    first = torch.tanh(X[:, 0] @ made.pool.weight.T + made.pool.bias)
    torch.testing.assert_close(made.follows(X), first @ made.next_sentence.weight.T + made.next_sentence.bias)
    with pytest.raises(AssertionError, match="next_sentence"):
        head({"kind": "mlm"}, kind="encoder").follows(X)


@pytest.mark.parametrize("where", ["first", "last", "mean"])
@pytest.mark.parametrize("hidden", [True, False])
def test_classes_of_a_text(where: str, hidden: bool) -> None:
    made = head({"kind": "classes", "classes": 4, "pool": where, "hidden": hidden})
    assert isinstance(made, Sequences)
    x = pool(X, RIGHT, where)
    if hidden:
        x = torch.tanh(x @ made.dense.weight.T + made.dense.bias)
    torch.testing.assert_close(made(X, TABLE, RIGHT), x @ made.out.weight.T + made.out.bias)
    assert (made.dense is not None) == hidden


def test_classes_drop_out_what_they_read_in_training_alone() -> None:
    made = head({"kind": "classes"}, dropout=0.5)
    assert not torch.equal(made(X, TABLE), made(X, TABLE))
    made.eval()
    assert torch.equal(made(X, TABLE), made(X, TABLE))


@pytest.mark.parametrize(("kind", "classes"), [({"kind": "tags", "classes": 7}, 7), ({"kind": "span"}, 2)])
def test_a_class_for_every_token(kind: dict[str, Any], classes: int) -> None:
    made = head(kind)
    assert isinstance(made, Positions)
    found = made(X, TABLE, RIGHT)
    assert found.shape == (3, 5, classes)
    torch.testing.assert_close(found, X @ made.out.weight.T + made.out.bias)


def test_a_number_for_every_token() -> None:
    made = head({"kind": "scalar"})
    assert isinstance(made, Scalar)
    torch.testing.assert_close(made(X, TABLE), X @ made.out.weight[0] + made.out.bias)


@pytest.mark.parametrize("where", ["first", "last", "mean"])
def test_a_vector_of_a_text_has_length_one(where: str) -> None:
    made = head({"kind": "embedding", "pool": where})
    assert isinstance(made, Vector)
    found, read = made(X, TABLE, RIGHT), pool(X, RIGHT, where)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(found * read.norm(dim=-1, keepdim=True), read)


def test_logits_are_fp32_under_autocast() -> None:
    for kind in ({"kind": "lm"}, {"kind": "tags", "classes": 3}, {"kind": "classes"}, {"kind": "scalar"}, {"kind": "embedding"}):
        with torch.autocast("cpu", torch.bfloat16):
            assert head(kind)(X, TABLE).dtype == torch.float32
    assert isinstance(head({"kind": "lm"}), Vocabulary)


@pytest.mark.parametrize("kind", ["classes", "embedding"])
def test_a_decoder_is_read_at_its_last_token(kind: str) -> None:
    with pytest.raises(ValueError, match=r"a decoder.s first token has seen only itself; say head\.pool: last"):
        tiny(head={"kind": kind, "pool": "first"})
    tiny(head={"kind": kind, "pool": "last"})
