"""How does a network begin with another's weights? Whole, without its head, or with its table of tokens alone.

In: a network of any config, a Model to take from, and the new network's tokenizer. Out: the same network with those weights, and
the names of the tensors that keep what they were drawn as. Rows of the vocabulary go by the token that they stand for.
Legend: V vocabulary, D width.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import tokenizers
import torch

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.model.config import ModelConfig
from headwater.model.directory import Model
from headwater.model.families.family import essence
from headwater.model.network import Network
from headwater.tokens.tokenizer import Tokenizer

Parts = Literal["all", "body", "embedding"]

TABLE = "embedding.tokens.weight"
PLACES = ("embedding.positions.weight", "embedding.blocks.weight")  # one row a place: a shorter context takes the first
BY_TOKEN = (TABLE, "output.weight", "output.bias")  # one row a token, where the head is a vocabulary's
OWN = ("vocab_size", "context", "head", "tied", "pattern", "positions.scaling", "biases.head")  # what two models may differ in
# New rows have a hundredth of the spread of old ones around their mean: enough to tell them apart, and nothing is likelier for it.
NOISE = 0.01


def transfer(network: Network, source: Model, tokenizer: Tokenizer, parts: Parts = "all", seed: int = 0) -> list[str]:
    """Put the source's weights into the network; the names of the tensors that it did not give.

    Raises HeadwaterError where the two do not fit.
    """
    if parts != "embedding":
        _same_network(network.config, source)
    ours, theirs = network.state_dict(), dict(source.network.state_dict())
    if not network.config.tied and source.config.tied:
        theirs["output.weight"] = theirs[TABLE]  # what was one goes on as two
    wanted = [name for name in ours if _is_wanted(name, parts, network.config, source.config)]
    missing = [name for name in wanted if name not in theirs]
    if missing:
        raise HeadwaterError(f"lacks {_few(missing)}", where=source.path, mend="give the new model the same parts, or say parts: embedding")
    unread = [name for name in theirs if name.startswith("output.") and name not in ours] if parts == "all" else []
    if unread and network.config.head.kind == source.config.head.kind:
        raise HeadwaterError(f"has {_few(unread)}, the new model has not", where=source.path,
                             mend="say model.tied: false and give it the same biases, or say parts: body")  # fmt: skip
    kept, new = token_rows(source.tokenizer, tokenizer)
    taken: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for name in wanted:
            tensor = theirs[name]
            if name in BY_TOKEN:
                tensor = extended(tensor, ours[name], kept, new, seed, name)
            elif name in PLACES and len(tensor) > len(ours[name]):
                tensor = tensor[: len(ours[name])]
            if tensor.shape != ours[name].shape:
                raise HeadwaterError(f"has {name} in the shape {list(tensor.shape)}, the new model in {list(ours[name].shape)}",
                                     where=source.path, mend=_mend(name))  # fmt: skip
            taken[name] = tensor
        for name, tensor in taken.items():
            ours[name].copy_(tensor)
    return [name for name in ours if name not in wanted]


def _same_network(config: ModelConfig, source: Model) -> None:
    """Tensors of one shape may still compute something else: another activation, another base of RoPE."""
    ours, theirs = essence(config), essence(source.config)
    for key in ours | theirs:
        if not any(key == own or key.startswith(f"{own}.") for own in OWN) and ours.get(key) != theirs.get(key):
            raise HeadwaterError(f"has {key} {theirs.get(key)}, the new model {ours.get(key)}", where=source.path,
                                 mend="give the new model the same, or say parts: embedding")  # fmt: skip


def _is_wanted(name: str, parts: Parts, config: ModelConfig, source: ModelConfig) -> bool:
    if parts == "embedding":
        return name == TABLE
    if name.startswith(("output.", "ahead.")):
        fits = config.head.kind == source.head.kind and (name.startswith("output.") or config.head == source.head)
        return parts == "all" and fits
    return True


def token_rows(old: Tokenizer, new: Tokenizer) -> tuple[dict[int, int], list[int]]:
    """`{new id: old id}` of the tokens that both have, by spelling or by special name, and the new ids that the old has not."""
    if old.hash == new.hash:
        return {id: id for id in range(new.vocab_size)}, []
    spelled = vocabulary(old)
    found = {id: spelled[token] for token, id in vocabulary(new).items() if token in spelled}
    found.update({new.special(name): old.special(name) for name in new.names if old.has(name)})
    return found, sorted(set(range(new.vocab_size)) - found.keys())


def vocabulary(tokenizer: Tokenizer) -> dict[str, int]:
    """`{spelling: id}` of all tokens."""
    return dict(tokenizers.Tokenizer.from_str(tokenizer.to_json()).get_vocab())


def extended(old: torch.Tensor, fresh: torch.Tensor, kept: dict[int, int], new: list[int], seed: int, name: str) -> torch.Tensor:
    """`[V_new, D]` (or a bias, `[V_new]`): kept rows of `old`, new ones at its mean with a little noise, the rest (padding) of `fresh`."""
    if old.shape[1:] != fresh.shape[1:]:
        return old  # the caller names the two shapes
    rows = fresh.clone()
    if kept:
        rows[list(kept)] = old[list(kept.values())].to(fresh.dtype)
    if new:
        known = old[sorted(set(kept.values()))] if kept else old
        noise = stream(seed, "transfer", name).standard_normal((len(new), *old.shape[1:]), dtype=np.float32)
        spread = known.float().std(dim=0, correction=0) * NOISE
        rows[new] = (known.float().mean(dim=0) + torch.from_numpy(noise) * spread).to(fresh.dtype)
    return rows


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more tensors" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _mend(name: str) -> str:
    if name == TABLE:
        return "say model.embedding.width: the width of the table that you take"
    return "take no longer a context than the source's" if name in PLACES else "give the new model the same sizes"
