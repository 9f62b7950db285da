"""A group of one costs nothing and changes nothing."""

from __future__ import annotations

import torch

from headwater.parallel.group import Group, current
from tests.parallel.processes import CONFIG, SHAPE, Counting


def test_a_group_of_one_is_what_is_given_to_it() -> None:
    group, network, batch = current(), SHAPE.build(1), Counting(CONFIG).batch(0)
    assert type(group) is Group
    assert group.leads
    assert group.spread(network) is network
    assert group.share(batch) is batch
    assert [len(micro) for micro in group.passes(batch, 3)] == [3, 3, 2]
    assert [len(micro) for micro in group.passes(batch, 0)] == [8]
    assert group.sums([0.1, 0.2]) == [0.1, 0.2]
    assert group.any(True)
    assert not group.any(False)
    assert group.told(lambda: "once") == "once"
    assert group.room_for(network, "embedding.tokens.weight", (3, 2), torch.float64).shape == (3, 2)
    group.verify(network, 1, {"loss": 0.0})
    group.wait()
