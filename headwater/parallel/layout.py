"""How do a network's weights lie over the processes? Sharded by rows over some, replicated over the others (FSDP2, HSDP).

In: a plain network, the same on each process. Out: a copy whose parameters are DTensors; each block brings its own weights together when
it is used and lets them go again (Zhao et al. 2023, section 3), the parts outside the blocks together. Gradients come as sums.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from headwater.core.errors import HeadwaterError
from headwater.model.block import Block
from headwater.model.network import Network
from headwater.model.norms import BatchNorm


def mesh(device: str, size: int, shard: int) -> DeviceMesh:
    """Ranks that share one copy stand beside each other: of 2 x 2, ranks 0 and 1 hold one copy, 2 and 3 the other."""
    if shard == size:
        return init_device_mesh(device, (size,), mesh_dim_names=("shards",))
    return init_device_mesh(device, (size // shard, shard), mesh_dim_names=("replicas", "shards"))


def spread(network: Network, over: DeviceMesh, device: torch.device) -> Network:
    """A sharded copy. Raises HeadwaterError for what would not compute the same over several processes."""
    if any(isinstance(module, BatchNorm) for module in network.modules()):
        raise HeadwaterError(
            "a batch norm takes its figures over the rows of one process, so that several would train another model",
            where="model.norm", mend="train with one process, or take norm: {kind: rms}",
        )  # fmt: skip
    sharded = copy.deepcopy(network).to(device)
    for module in sharded.modules():
        if isinstance(module, Block):
            _shard(module, over)
    _shard(sharded, over)
    register_fsdp_forward_method(sharded, "hidden")  # where losses begin a pass, beside `forward`
    _list_shards(sharded)
    return sharded


def _list_shards(sharded: Network) -> None:
    """Whoever lists the parameters gets shards. After a pass without gradients the parts outside the blocks would still be whole."""

    def listed(*arguments: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        assert isinstance(sharded, FSDPModule)
        sharded.reshard()
        return nn.Module.named_parameters(sharded, *arguments, **options)

    sharded.named_parameters = listed  # type: ignore[method-assign]


def _shard(module: nn.Module, over: DeviceMesh) -> None:
    fully_shard(module, mesh=over)
    assert isinstance(module, FSDPModule)
    # The loop divides by the weight of the whole batch, so that gradients are to be summed and not averaged.
    module.set_gradient_divide_factor(1.0)
    module.set_force_sum_reduction_for_comms(True)


@torch.no_grad()
def gather(sharded: Network, whole: Network) -> None:
    """Copy weights and buffers into the plain network. All processes must take part."""
    own = whole.state_dict()
    for name, tensor in sharded.state_dict().items():
        own[name].copy_(entire(tensor))


def room_for(sharded: Network, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Memory laid out as the parameter `name` where it has that shape, else whole on each process."""
    parameter = dict(sharded.named_parameters(remove_duplicate=False)).get(name)
    if isinstance(parameter, DTensor) and tuple(parameter.shape) == tuple(shape):
        return torch.empty_like(parameter, dtype=dtype, requires_grad=False)
    return torch.empty(tuple(shape), dtype=dtype)


def pieces(sharded: Network) -> tuple[list[str], list[torch.Tensor]]:
    """Names of the parameters, and what of each lies in this process."""
    named = list(sharded.named_parameters())
    return [name for name, _ in named], [local(parameter) for _, parameter in named]


def entire(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor that may lie over several processes; they must all ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What of a tensor lies in this process; it shares the memory."""
    if not isinstance(tensor, DTensor):
        return tensor.detach()
    piece: torch.Tensor = tensor.detach().to_local()  # type: ignore[attr-defined]
    return piece


def like(piece: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A tensor of this process's piece that lies over the processes as the parameter does."""
    assert isinstance(parameter, DTensor)
    whole: Any = DTensor.from_local(
        piece, parameter.device_mesh, parameter.placements, run_check=False, shape=parameter.shape, stride=parameter.stride()
    )
    tensor: torch.Tensor = whole
    return tensor


@torch.no_grad()
def own_piece(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """What of a tensor lies in this process when it is laid out as the parameter is; whole tensors are the same on each process."""
    if isinstance(tensor, DTensor) or not isinstance(parameter, DTensor):
        return local(tensor)
    room = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
    at = parameter.device_mesh.get_local_rank(parameter.device_mesh.ndim - 1)
    count = parameter.device_mesh.size(parameter.device_mesh.ndim - 1)
    chunks = tensor.chunk(count, dim=0)
    piece = local(room)
    if at < len(chunks):
        piece.copy_(chunks[at])
    return piece
