from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.parts import Buckets
from headwater.model.positions import sinusoid
from headwater.model.scores import ALiBi, BucketBias, RelativeXL, build_bias, slopes
from tests.model.conftest import tiny

ORDER_Q, ORDER_K = torch.tensor([[3, 4], [0, 9]]), torch.tensor([[0, 1, 2, 3, 4], [0, 5, 9, 2, 1]])


@pytest.mark.oracle
@pytest.mark.parametrize("heads", range(1, 34))
def test_slopes_are_blooms(transformers: Any, heads: int) -> None:
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
    torch.testing.assert_close(torch.tensor(slopes(heads)), theirs, rtol=1e-6, atol=0)


def test_slopes_are_the_papers() -> None:
    """Press et al. 2022, section 3: for 8 heads 1/2 … 1/256."""
    assert slopes(8) == [2.0**-power for power in range(1, 9)]
    assert slopes(16)[:2] == [2**-0.5, 2**-1]


def test_alibi_falls_with_the_distance_on_both_sides() -> None:
    bias_BHQK = ALiBi(2)(ORDER_Q, ORDER_K)
    assert bias_BHQK.shape == (2, 2, 2, 5)
    for row in range(2):
        for head, slope in enumerate([2**-4, 2**-8]):
            for q in range(2):
                for k in range(5):
                    assert bias_BHQK[row, head, q, k] == -slope * abs(int(ORDER_Q[row, q]) - int(ORDER_K[row, k]))


@pytest.mark.oracle
@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 20), (64, 256), (16, 500), (6, 7), (33, 128), (4, 10)])
def test_buckets_are_t5s(transformers: Any, buckets: int, max_distance: int, both_ways: bool) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    offset = torch.arange(-600, 601)
    theirs = T5Attention._relative_position_bucket(offset, bidirectional=both_ways, num_buckets=buckets, max_distance=max_distance)
    part = BucketBias(Buckets(buckets=buckets, max_distance=max_distance), heads=1, both_ways=both_ways)
    assert torch.equal(part._bucket(offset), theirs)
    assert theirs.max() == (buckets // 2 * 2 if both_ways else buckets) - 1


def test_each_bucket_has_a_score_a_head() -> None:
    """T5 counts from the query: what stands before it has a negative offset, and in an encoder the first half of the buckets."""
    part = BucketBias(Buckets(buckets=8, max_distance=20), heads=3, both_ways=True)
    bias_BHQK = part(ORDER_Q, ORDER_K)
    assert bias_BHQK.shape == (2, 3, 2, 5)
    table = part.table.weight
    assert torch.equal(bias_BHQK[0, :, 0, 2], table[1])  # one place before
    assert torch.equal(bias_BHQK[0, :, 0, 4], table[4 + 1])  # one place after
    assert torch.equal(bias_BHQK[0, :, 1, 4], table[0])  # itself
    decoder = BucketBias(Buckets(buckets=8, max_distance=20), heads=3, both_ways=False)
    assert torch.equal(decoder(ORDER_Q, ORDER_K)[0, :, 0, 2], decoder.table.weight[1])


def test_which_positions_have_a_bias() -> None:
    def bias(positions: dict[str, Any], **changes: Any) -> Any:
        return build_bias(tiny(positions=positions, **changes), both_ways=True)

    assert isinstance(bias({"kind": "alibi"}), ALiBi)
    t5 = bias({"kind": "t5", "buckets": 10, "max_distance": 30})
    assert isinstance(t5, BucketBias)
    assert (t5.table.weight.shape, t5.max_distance, t5.both_ways) == ((10, 4), 30, True)
    assert not build_bias(tiny(positions={"kind": "t5"}), both_ways=False).both_ways  # type: ignore[union-attr]
    for other in ("rope", "learned", "sinusoidal", "xl", "glm", "none"):
        assert bias({"kind": other}) is None


@pytest.mark.parametrize("count", ["shared", "own"])
def test_a_stack_has_one_table_or_each_layer_its_own(count: str) -> None:
    config = tiny(positions={"kind": "t5", "per_layer": count == "own"}, layers=3)
    tables = [name for name, _ in config.build(0).named_parameters() if "table" in name]
    own = [f"stack.blocks.{layer}.attention.bias.table.weight" for layer in range(3)]
    assert tables == (["stack.bias.table.weight"] if count == "shared" else own)


def test_layers_with_their_own_tables_that_are_alike_are_a_stack_with_one() -> None:
    positions = {"kind": "t5", "buckets": 6, "max_distance": 12}
    shared, own = tiny(positions=positions).build(0), tiny(positions={**positions, "per_layer": True}).build(0)
    weights = shared.state_dict()
    table = weights.pop("stack.bias.table.weight")
    own.load_state_dict(weights | {f"stack.blocks.{layer}.attention.bias.table.weight": table for layer in range(2)})
    x = torch.arange(20)[None]
    torch.testing.assert_close(own(x), shared(x), atol=1e-6, rtol=1e-5)


def relative(config: ModelConfig) -> RelativeXL:
    part = RelativeXL(config)
    for number, tensor in enumerate(part.parameters()):
        torch.nn.init.normal_(tensor, generator=torch.Generator().manual_seed(number))
    return part


def test_relative_scores_are_two_of_the_four_terms() -> None:
    """Dai et al. 2019: (q + u) meets the keys, (q + v) the projected sinusoid of the distance; rows may stand apart (a cache)."""
    config = tiny(positions={"kind": "xl"}, width=12, heads=3, kv_heads=3, attention_scale=0.3)
    part = relative(config)
    q_BHQC = torch.randn(2, 3, 2, 4, generator=torch.Generator().manual_seed(5))
    with_u, bias_BHQK = part(q_BHQC, ORDER_Q, ORDER_K)
    torch.testing.assert_close(with_u, q_BHQC + part.content_bias[None, :, None])
    for row in range(2):
        for head in range(3):
            for q in range(2):
                for k in range(5):
                    distance = int(ORDER_Q[row, q]) - int(ORDER_K[row, k])
                    r = part.project.weight[4 * head : 4 * head + 4] @ sinusoid(torch.tensor([[distance]]), 12)[0, 0]
                    expected = 0.3 * ((q_BHQC[row, head, q] + part.place_bias[head]) @ r)
                    torch.testing.assert_close(bias_BHQK[row, head, q, k], expected)


def test_relative_scores_of_one_row_of_places_serve_all_rows() -> None:
    part = relative(tiny(positions={"kind": "xl"}, width=8, heads=2, kv_heads=2))
    q_BHQC = torch.randn(2, 2, 5, 4, generator=torch.Generator().manual_seed(5))
    order = torch.arange(5)[None]
    torch.testing.assert_close(part(q_BHQC, order, order)[1], part(q_BHQC, order.expand(2, -1), order.expand(2, -1))[1])
