from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from headwater.model.attention import Frame
from headwater.model.cache import KVCache
from headwater.model.network import Network
from headwater.model.recurrent import LSTM, Convolution
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import Mask, causal, documents, full
from tests.model.conftest import tiny
from tests.model.test_network import tokens

KINDS: dict[str, dict[str, Any]] = {
    "lstm": {"mixer": {"kind": "lstm"}},
    "stacked lstm": {"mixer": {"kind": "lstm"}, "block": "stacked", "feed_forward": {"kind": "none"}, "norm": {"kind": "none"}},
    "convolution": {"mixer": {"kind": "convolution", "kernel": 4}},
    "stacked convolution": {"mixer": {"kind": "convolution", "kernel": 3}, "block": "stacked", "feed_forward": {"kind": "none"}},
    "convolution of one token": {"mixer": {"kind": "convolution", "kernel": 1}},
}
NOTHING = torch.zeros(1, 1, dtype=torch.int64)
FRAME = Frame((), NOTHING, NOTHING)


def network(kind: str, **changes: Any) -> Network:
    return tiny(**{"positions": {"kind": "none"}, "init": {"std": 0.4}, **KINDS[kind], **changes}).build(0)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lstm(seed: int = 0) -> tuple[LSTM, torch.nn.LSTM]:
    """Ours with torch's weights; its two biases are one."""
    config = tiny(width=12, mixer={"kind": "lstm"}, positions={"kind": "none"})
    ours, theirs = LSTM(config, 0), torch.nn.LSTM(12, 12, batch_first=True)
    with torch.no_grad():
        for number, tensor in enumerate(theirs.parameters()):
            tensor.copy_(0.5 * draw(*tensor.shape, seed=seed + number))
        ours.input.copy_(theirs.weight_ih_l0)
        ours.state.copy_(theirs.weight_hh_l0)
        ours.bias.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    return ours, theirs


@pytest.mark.oracle
def test_an_lstm_is_torchs() -> None:
    ours, theirs = lstm()
    x = draw(3, 9, 12, seed=9).requires_grad_()
    y, expected = ours(x, FRAME), theirs(x)[0]
    torch.testing.assert_close(y, expected)
    mine = torch.autograd.grad(y.square().sum(), [x, ours.input, ours.state, ours.bias])
    given = torch.autograd.grad(expected.square().sum(), [x, theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0])
    for one, other in zip(mine, given, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.oracle
def test_an_lstms_documents_are_torchs_sequences() -> None:
    """Rows of several documents, with padding (a document of its own), against each document alone; values and gradients."""
    ours, theirs = lstm(3)
    segments = torch.tensor([[1, 1, 1, 2, 3, 3, 3, 0], [1, 1, 1, 1, 1, 1, 1, 1], [4, 5, 6, 6, 6, 6, 0, 0]])
    x = draw(3, 8, 12, seed=9).requires_grad_()
    y = ours(x, Frame((), NOTHING, NOTHING, segments_BT=segments))
    rows = []
    for row in range(3):
        counts = torch.unique_consecutive(segments[row], return_counts=True)[1].tolist()
        rows.append(torch.cat([theirs(piece[None])[0][0] for piece in x[row].split(counts)]))
    expected = torch.stack(rows)
    torch.testing.assert_close(y, expected)
    weighed = draw(3, 8, 12, seed=1)
    mine = torch.autograd.grad((y * weighed).sum(), [x, ours.input, ours.state, ours.bias])
    given = torch.autograd.grad((expected * weighed).sum(), [x, theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0])
    for one, other in zip(mine, given, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", [1, 2, 4, 11])
def test_a_convolution_is_its_formula(kernel: int) -> None:
    """Dauphin et al. 2017, equation 1, token for token; and torch's conv1d on rows padded at their beginning."""
    config = tiny(width=6, heads=2, positions={"kind": "none"}, mixer={"kind": "convolution"})
    part = Convolution(config, kernel, 0)
    with torch.no_grad():
        for number, tensor in enumerate(part.parameters()):
            tensor.copy_(draw(*tensor.shape, seed=number))
    x = draw(2, 9, 6, seed=9)
    y = part(x, FRAME)
    w, v = (matrix.weight.view(6, kernel, 6) for matrix in (part.linear, part.gate))
    expected = torch.zeros_like(x)
    for row in range(2):
        for place in range(9):
            a, b = part.linear.bias.clone(), part.gate.bias.clone()
            for back in range(min(kernel, place + 1)):
                a += w[:, kernel - 1 - back] @ x[row, place - back]
                b += v[:, kernel - 1 - back] @ x[row, place - back]
            expected[row, place] = a / (1 + torch.exp(-b))
    torch.testing.assert_close(y, expected)
    padded = functional.pad(x.transpose(1, 2), (kernel - 1, 0))
    a, b = (functional.conv1d(padded, weight.transpose(1, 2), bias) for weight, bias in ((w, part.linear.bias), (v, part.gate.bias)))
    torch.testing.assert_close(y, (a * b.sigmoid()).transpose(1, 2))


SEGMENTS = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 3, 3, 0], [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]])


@pytest.mark.parametrize("mask", [causal(), causal() & documents(), full() & documents(), causal() | documents()], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_no_position_hears_what_follows_or_another_document(kind: str, mask: Mask) -> None:
    """d out_i / d in_j is 0 for later tokens, for another document's where the mask keeps them apart, and for those past the window."""
    model = network(kind, layers=1)
    x, embedded = tokens(2, 10), []
    model.embedding.register_forward_hook(lambda module, given, out: embedded.append(out))
    out = model(Inputs(x, segments_BT=SEGMENTS, mask=mask))
    order = torch.arange(10)
    allowed = (order[None, :] <= order[:, None])[None].expand(2, 10, 10)
    if "convolution" in kind:
        allowed = allowed & (order[:, None] - order[None, :] < model.config.mixer.kernel)
    if mask != causal() and mask != (causal() | documents()):
        allowed = allowed & (SEGMENTS[:, :, None] == SEGMENTS[:, None, :])
    for place in range(10):
        (grad,) = torch.autograd.grad(out[:, place].square().sum(), embedded, retain_graph=True)
        assert torch.equal(grad.abs().sum(-1) > 0, allowed[:, place])


@pytest.mark.parametrize("kind", KINDS)
def test_packed_documents_equal_documents_alone(kind: str) -> None:
    model, x = network(kind), tokens(1, 10)
    packed = model(Inputs(x, segments_BT=SEGMENTS[:1], mask=causal() & documents()))
    alone = torch.cat([model(x[:, start:end]) for start, end in ((0, 3), (3, 7), (7, 9), (9, 10))], dim=1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_prompt_in_a_cache_equals_the_full_pass(kind: str) -> None:
    model, x = network(kind), tokens(2, 10)
    inputs = Inputs(x, segments_BT=SEGMENTS, mask=causal() & documents())
    cache = KVCache(model.config, rows=2, capacity=10)
    torch.testing.assert_close(model(inputs, cache=cache), model(inputs), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("steps", [[20], [1] * 20, [7, 1, 1, 5, 6], [1, 19]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_cached_decoding_equals_the_full_pass(kind: str, steps: list[int]) -> None:
    model, x = network(kind), tokens(3, 20)
    cache = KVCache(model.config, rows=3, capacity=20)
    pieces = []
    for piece in x.split(steps, dim=1):
        pieces.append(model(piece, cache=cache))
        cache.advance(piece.shape[1])
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(x), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_cached_decoding_with_padding_equals_the_full_pass(kind: str) -> None:
    """Prompts of 9, 4, 1 and 0 tokens padded on the right with noise, then tokens one by one and three at once."""
    model = network(kind)
    x, read = tokens(4, 20), [9, 4, 1, 0]
    full_pass = model(x)
    cache = KVCache(model.config, rows=4, capacity=20)
    prompt = tokens(4, 9, seed=9)
    for row, count in enumerate(read):
        prompt[row, :count] = x[row, :count]
    first = model(prompt, cache=cache)
    cache.advance(read)
    for row, count in enumerate(read):
        torch.testing.assert_close(first[row, :count], full_pass[row, :count], atol=2e-5, rtol=1e-4)
    for width in (1, 1, 3, 1):
        step = torch.stack([x[row, count : count + width] for row, count in enumerate(read)])
        out = model(step, cache=cache)
        for row, count in enumerate(read):
            torch.testing.assert_close(out[row], full_pass[row, count : count + width], atol=2e-5, rtol=1e-4)
        cache.advance(width)
        read = [count + width for count in read]


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_takes_its_states_along(kind: str) -> None:
    """Rows dropped and doubled in the cache go on from their own states."""
    model, x = network(kind), tokens(3, 8)
    cache = KVCache(model.config, rows=3, capacity=12)
    model(x[:, :6], cache=cache)
    cache.advance(6)
    cache.keep([2, 2, 0])
    out = model(x[[2, 2, 0], 6:], cache=cache)
    torch.testing.assert_close(out, model(x[[2, 2, 0]])[:, 6:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["lstm", "convolution"])
def test_bf16_stays_near(kind: str) -> None:
    model, x = network(kind, init={"std": 0.2}), tokens(2, 24)
    segments = torch.arange(24)[None].expand(2, 24) // 7 + 1
    for mask in (causal(), causal() & documents()):
        inputs = Inputs(x, segments_BT=segments, mask=mask)
        exact = model(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            near, cached = model(inputs), model(inputs, cache=KVCache(model.config, rows=2, capacity=24))
        assert (near - exact).norm() / exact.norm() < 0.03
        assert (cached - exact).norm() / exact.norm() < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_they_learn(kind: str) -> None:
    """A sequence that repeats with period 5 is learned to near certainty in 80 steps, by plain rows and by documents."""
    model = network(kind).train()
    x = torch.tensor([[11, 47, 3, 200, 9] * 4])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    segments = torch.tensor([[1] * 10 + [2] * 9])
    for step in range(80):
        inputs = Inputs(x[:, :-1], segments_BT=segments, mask=causal() & documents() if step % 2 else causal())
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
