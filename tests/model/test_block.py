from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from headwater.model.attention import Attention, Frame, Memory
from headwater.model.block import Block, build_mixer
from headwater.model.config import ModelConfig
from headwater.model.kernels import Lowered
from headwater.model.recurrent import LSTM, Convolution
from tests.model.conftest import tiny

ORDER = torch.arange(6)[None]
X = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
SOURCE = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(1))
FRAME = Frame((Lowered(causal=True),), ORDER, ORDER, memory=Memory(SOURCE, Lowered()))


def block(layer: int = 0, *, encoder: bool = False, **changes: Any) -> Any:
    made = Block(tiny(**changes), layer, encoder=encoder)
    for number, tensor in enumerate(made.parameters()):
        torch.nn.init.normal_(tensor, std=0.3, generator=torch.Generator().manual_seed(number))
    return made


def parts(made: Any) -> tuple[Any, ...]:
    """a, f and their two norms, as functions of x alone."""
    return (
        lambda x: made.attention(x, FRAME),
        made.feed_forward,
        made.attention_norm,
        made.feed_forward_norm,
    )


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_pre(norm: str) -> None:
    made = block(norm={"kind": norm})
    a, f, n, m = parts(made)
    h = X + a(n(X))
    same(made(X, FRAME), h + f(m(h)))


def test_post() -> None:
    made = block(norm={"place": "post"})
    a, f, n, m = parts(made)
    h = n(X + a(X))
    same(made(X, FRAME), m(h + f(h)))


def test_sandwich() -> None:
    made = block(norm={"place": "sandwich"})
    a, f, n, m = parts(made)
    h = X + made.attention_out_norm(a(n(X)))
    same(made(X, FRAME), h + made.feed_forward_out_norm(f(m(h))))


@pytest.mark.parametrize(("alpha", "factor"), [(1.7, 1.7), (None, (2 * 2) ** 0.25)])
def test_deep(alpha: float | None, factor: float) -> None:
    made = block(norm={"place": "deep", "alpha": alpha})
    a, f, n, m = parts(made)
    h = n(factor * X + a(X))
    same(made(X, FRAME), m(factor * h + f(h)))


def test_deepnorms_factors() -> None:
    """Wang et al. 2022, table 2; the encoder's and the decoder's own in an encoder–decoder."""
    both = {"kind": "encoder-decoder", "layers": 3, "encoder_layers": 5, "norm": {"place": "deep"}}
    assert block(**both).alpha == pytest.approx((3 * 3) ** 0.25)
    assert block(encoder=True, **both).alpha == pytest.approx(0.81 * (5**4 * 3) ** (1 / 16))
    assert block(kind="encoder", layers=3, encoder=True, norm={"place": "deep"}).alpha == pytest.approx(6**0.25)
    assert block(**{**both, "norm": {"place": "deep", "alpha": 2.0}}, encoder=True).alpha == 2.0


def test_parallel() -> None:
    made = block(block="parallel")
    a, f, n, m = parts(made)
    assert m is None
    same(made(X, FRAME), X + a(n(X)) + f(n(X)))


def test_parallel_with_two_norms() -> None:
    made = block(block="parallel-two-norms")
    a, f, n, m = parts(made)
    same(made(X, FRAME), X + a(n(X)) + f(m(X)))


def test_stacked() -> None:
    made = block(block="stacked")
    a, f, n, m = parts(made)
    same(made(X, FRAME), f(m(a(n(X)))))


@pytest.mark.parametrize("wiring", ["serial", "parallel", "parallel-two-norms", "stacked"])
def test_without_a_feed_forward_part(wiring: str) -> None:
    made = block(block=wiring, feed_forward={"kind": "none"})
    a, f, n, m = parts(made)
    assert f is None and m is None
    same(made(X, FRAME), a(n(X)) if wiring == "stacked" else X + a(n(X)))
    assert block(norm={"place": "sandwich"}, feed_forward={"kind": "none"}).feed_forward_out_norm is None


@pytest.mark.parametrize("place", ["pre", "post", "sandwich", "deep"])
def test_cross_attention_stands_between(place: str) -> None:
    made = block(kind="encoder-decoder", norm={"place": place, "alpha": 1.5 if place == "deep" else None})
    a, f, n, m = parts(made)
    c, o = (lambda x: made.cross(x, FRAME)), made.cross_norm
    if place == "pre":
        h = X + a(n(X))
        g = h + c(o(h))
        expected = g + f(m(g))
    elif place == "sandwich":
        h = X + made.attention_out_norm(a(n(X)))
        g = h + made.cross_out_norm(c(o(h)))
        expected = g + made.feed_forward_out_norm(f(m(g)))
    else:
        alpha = 1.5 if place == "deep" else 1.0
        h = n(alpha * X + a(X))
        g = o(alpha * h + c(h))
        expected = m(alpha * g + f(g))
    same(made(X, FRAME), expected)
    assert block(kind="encoder-decoder", encoder=True, norm={"place": place}).cross is None


@pytest.mark.parametrize("wiring", ["serial", "parallel", "parallel-two-norms", "stacked"])
def test_norms_are_told_which_tokens_are_real(wiring: str) -> None:
    """A norm over the batch must not count padding, wherever it stands."""
    real = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()
    frame = Frame((Lowered(allowed_B1TS=(real[:, None] & real[:, :, None])[:, None] | torch.eye(6).bool()),), ORDER, ORDER, real_BT=real)
    for place in ("pre", "post", "sandwich", "deep") if wiring == "serial" else ("pre",):
        made = block(kind="encoder", encoder=True, norm={"kind": "batch", "place": place}, block=wiring)
        wild = torch.where(real[..., None], X, torch.full_like(X, 30.0))
        torch.testing.assert_close(made(wild, frame)[real], made(X, frame)[real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("place", ["pre", "post", "sandwich", "deep"])
def test_the_stream_stays_fp32_under_autocast(place: str) -> None:
    made = block(norm={"place": place})
    exact = made(X, FRAME)
    with torch.autocast("cpu", torch.bfloat16):
        found = made(X, FRAME)
    assert found.dtype == torch.float32
    assert (found - exact).abs().max() < 0.05 * exact.abs().max()
    assert not torch.equal(found, found.bfloat16().float()), "the stream went through bf16"


def test_dropout_stands_on_what_a_branch_adds() -> None:
    made = block(dropout=0.5, attention_dropout=0.0, feed_forward={"kind": "none"})
    added, branch = made(X, FRAME) - X, made.attention(made.attention_norm(X), FRAME)
    kept = added != 0
    assert 0.3 < kept.float().mean() < 0.7
    torch.testing.assert_close(added[kept], 2 * branch[kept], atol=1e-5, rtol=1e-5)
    made.eval()
    torch.testing.assert_close(made(X, FRAME) - X, branch, atol=1e-5, rtol=1e-5)


def test_stochastic_depth_leaves_out_whole_branches_of_rows_and_keeps_the_mean() -> None:
    """Huang et al. 2016: rising from layer to layer; the last of 4 layers at 0.6, this third one at 0.45."""
    made = block(2, layers=4, stochastic_depth=0.6, feed_forward={"kind": "none"})
    assert made.left_out == pytest.approx(0.45)
    torch.manual_seed(0)
    x = X[:1].expand(4000, -1, -1)
    with torch.no_grad():
        added, branch = made(x, FRAME) - x, made.attention(made.attention_norm(X[:1]), FRAME)
        left_out = (added == 0).flatten(1).all(dim=1)
        assert left_out.float().mean() == pytest.approx(0.45, abs=0.03)
        torch.testing.assert_close(added[~left_out], (branch / 0.55).expand(int((~left_out).sum()), -1, -1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(added.mean(dim=0), branch[0], atol=0.1 * float(branch.abs().max()), rtol=0)
        made.eval()
        torch.testing.assert_close(made(X, FRAME) - X, made.attention(made.attention_norm(X), FRAME))


def test_stochastic_depth_rises_over_each_stack() -> None:
    both = {"kind": "encoder-decoder", "layers": 4, "encoder_layers": 2, "stochastic_depth": 0.6}
    assert [block(layer, **both).left_out for layer in range(4)] == pytest.approx([0.15, 0.3, 0.45, 0.6])
    assert [block(layer, encoder=True, **both).left_out for layer in range(2)] == pytest.approx([0.3, 0.6])
    assert block(1, layers=2, kind="encoder", encoder=True, stochastic_depth=0.6).left_out == pytest.approx(0.6)


@pytest.mark.parametrize("wiring", ["parallel", "parallel-two-norms", "stacked"])
def test_a_wiring_without_cross_attention_is_refused_where_it_is_needed(wiring: str) -> None:
    """It would otherwise write without ever reading the source."""
    with pytest.raises(ValidationError, match=f"a {wiring} block has no place for cross-attention"):
        tiny(kind="encoder-decoder", block=wiring)


@pytest.mark.parametrize("kind", ["encoder", "encoder-decoder"])
def test_blocks_further_ahead_are_a_decoders(kind: str) -> None:
    with pytest.raises(ValidationError, match="belong to a decoder"):
        tiny(kind=kind, head={"kind": "lm", "future": 1})


def test_which_mixer_a_config_asks_for() -> None:
    def mixer(**changes: Any) -> Any:
        config: ModelConfig = tiny(**changes)
        return build_mixer(config, 0, encoder=False)

    assert isinstance(mixer(), Attention)
    assert isinstance(mixer(mixer={"kind": "lstm"}, positions={"kind": "none"}), LSTM)
    convolution = mixer(mixer={"kind": "convolution", "kernel": 3}, positions={"kind": "none"})
    assert isinstance(convolution, Convolution)


@pytest.mark.parametrize(
    "changes",
    [
        {"qk_norm": True},
        {"block": "stacked"},
        {"block": "parallel"},
        {"norm": {"kind": "layer", "place": "post"}, "positions": {"kind": "sinusoidal"}},
        {"norm": {"place": "sandwich"}, "embedding": {"width": 16, "scale": "width", "norm": True, "types": 2}},
        {"norm": {"place": "deep"}, "positions": {"kind": "xl"}},
        {"kind": "encoder", "head": {"kind": "mlm"}, "norm": {"kind": "batch"}},
        {"kind": "encoder-decoder", "positions": {"kind": "t5"}, "attention_softcap": 5.0},
        {"positions": {"kind": "alibi"}, "feed_forward": {"kind": "gelu"}},
        {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "block": "stacked"},
    ],
)
def test_weights_of_another_dtype_compute_in_it(changes: dict[str, Any]) -> None:
    network = tiny(**changes).build(0).eval()
    tokens = torch.randint(6, 262, (2, 20), generator=torch.Generator().manual_seed(0))
    source = tokens if network.encoder is not None else None
    exact = network(tokens, source=source)
    assert (network.double()(tokens, source=source) - exact).abs().max() < 1e-4 * exact.abs().max()
    assert (network.bfloat16()(tokens, source=source) - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("encoder", [True, False])
def test_a_layer_knows_which_stack_it_is_in(layer: int, encoder: bool) -> None:
    """T5's buckets for what follows are an encoder's alone, in every layer."""
    config = tiny(kind="encoder-decoder", positions={"kind": "t5", "per_layer": True})
    assert Block(config, layer, encoder=encoder).attention.bias.both_ways is encoder
