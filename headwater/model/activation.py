"""Another function between the two layers of a feed-forward part, in a network that already has its weights.

In: a network and a kind whose weights have the same shapes: relu, gelu, relu2 of a plain part, swiglu, geglu, reglu, glu of a gated one.
Out: the network computes with it, and its config says so.
"""

from __future__ import annotations

from headwater.model.feed_forward import GatedUnit, PlainUnit, activation
from headwater.model.network import Network
from headwater.model.parts import FeedForwardConfig, Gated, Plain


def switch_activation(network: Network, part: FeedForwardConfig) -> None:
    """Compute with the kind of `part` from now on, in every layer."""
    before = network.config.feed_forward
    if part.kind == before.kind:
        return
    assert isinstance(part, Plain | Gated) and type(part) is type(before), "weights of other shapes"
    for module in network.modules():
        if isinstance(module, PlainUnit | GatedUnit):
            module.f = activation(part)
    network.config = network.config.model_copy(update={"feed_forward": part})
