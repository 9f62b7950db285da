"""Do the adapters that a recipe asks for name anything in the model that it is about to pretrain? Seen before hours are spent on it.

In: a recipe. Out: nothing, or the one sentence of model/adapters.py. A model that exists (`base:`) is looked at by its own stage.
"""

from __future__ import annotations

from headwater.recipe.recipe import Recipe


def check_adapters(recipe: Recipe) -> None:
    """Raises HeadwaterError for a glob that names nothing."""
    tuned = {"sft": recipe.sft, "finetune": recipe.finetune}
    asked = {name: block.adapter for name, block in tuned.items() if block is not None and block.base is None and block.adapter is not None}
    if recipe.pretrain is None or not asked:
        return
    import torch

    from headwater.model import adapters
    from headwater.model.network import Network

    shape = recipe.pretrain.model if recipe.pretrain.model.vocab_size is not None else recipe.pretrain.model.with_vocabulary(1)
    with torch.device("meta"):
        network = Network(shape)
    for name, adapter in asked.items():
        # A new head of `finetune` is not there yet: what learns whole beside the adapters is looked at when it is.
        adapters.named(network, adapter.model_copy(update={"learned": ()}) if name == "finetune" else adapter)
