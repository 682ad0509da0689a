"""Tensor parallelism: every rank makes a share of the heads and of the feed-forward units.

A block's first products are cut by columns, its second ones by rows, so that each half of a block
sends its activations once forward and once back. What stands outside the blocks (embeddings, head,
the blocks' norms) is on every rank, and is given the same gradient on every rank.

Source: Shoeybi et al. 2019, https://arxiv.org/abs/1909.08053
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainer_core.engine.parallel.mesh import Mesh
from trainer_core.engine.parallel.pieces import Split, cut_parameter
from trainer_core.errors import ConfigError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

ARCHITECTURES = ("gpt2", "llama", "mistral", "qwen2")
"""Model types whose blocks are known. Qwen 3 has norms inside its heads, which every rank would
give another gradient."""


def split_tensors(model: Any, blocks: list[nn.Module], mesh: Mesh) -> None:
    """Cut the blocks of a model among the tensor ranks, in place; nothing where there is one.

    Raises:
        ConfigError: If the architecture is not known.
    """
    count = mesh.degrees.tensor
    if count == 1:
        return
    kind = str(model.config.model_type)
    if kind not in ARCHITECTURES:
        raise ConfigError(
            "parallel.tensor",
            count,
            f"use 1, or a model of type {', '.join(ARCHITECTURES)}",
            f"blocks of {kind} cannot be cut",
        )
    cutter = _Cutter(mesh)
    for block in blocks:
        (cutter.gpt2 if kind == "gpt2" else cutter.llama)(block)


def same_forward(tensor: Tensor, group: ProcessGroup | None) -> Tensor:
    """Return the tensor; in the backward pass the ranks' gradients of it are summed."""
    return cast(Callable[..., Tensor], _SumBackward.apply)(tensor, group)


def summed_forward(tensor: Tensor, group: ProcessGroup | None) -> Tensor:
    """Return the sum of the ranks' tensors; its gradient goes to all of them as it is."""
    return cast(Callable[..., Tensor], _SumForward.apply)(tensor, group)


class _Cutter:
    """Cuts blocks, one architecture a method."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def gpt2(self, block: Any) -> None:
        """Cut a GPT-2 block; its matrices have their inputs first."""
        count = self._mesh.degrees.tensor
        attention = block.attn
        attention.split_size //= count
        attention.num_heads //= count
        self._columns(attention, "c_attn", turned=True, sections=3)
        self._rows(attention, "c_proj", turned=True)
        self._columns(block.mlp, "c_fc", turned=True)
        self._rows(block.mlp, "c_proj", turned=True)
        self._sum_gradients_of(block.ln_1, block.ln_2)

    def llama(self, block: Any) -> None:
        """Cut a block of Llama's kind."""
        for name in ("q_proj", "k_proj", "v_proj"):
            self._columns(block.self_attn, name)
        self._rows(block.self_attn, "o_proj")
        for name in ("gate_proj", "up_proj"):
            self._columns(block.mlp, name)
        self._rows(block.mlp, "down_proj")
        self._sum_gradients_of(block.input_layernorm, block.post_attention_layernorm)

    def _columns(
        self, owner: nn.Module, name: str, *, turned: bool = False, sections: int = 1
    ) -> None:
        split = self._split(1 if turned else 0, sections)
        linear = SplitLinear(getattr(owner, name), turned=turned)
        cut_parameter(linear, "weight", split)
        if linear.bias is not None:
            cut_parameter(linear, "bias", self._split(0, sections))
        setattr(owner, name, linear)

    def _rows(self, owner: nn.Module, name: str, *, turned: bool = False) -> None:
        linear = SplitLinear(getattr(owner, name), turned=turned, group=self._mesh.tensor)
        cut_parameter(linear, "weight", self._split(0 if turned else 1))
        setattr(owner, name, linear)

    def _split(self, dim: int, sections: int = 1) -> Split:
        return Split(
            dim=dim,
            index=self._mesh.place.tensor,
            count=self._mesh.degrees.tensor,
            group=self._mesh.tensor,
            sections=sections,
        )

    def _sum_gradients_of(self, *norms: nn.Module) -> None:
        """Every rank's share of a norm's gradient comes together where the norm's output ends."""
        group = self._mesh.tensor
        for norm in norms:
            norm.register_forward_hook(lambda _m, _i, output: same_forward(output, group))


class SplitLinear(nn.Module):
    """A linear layer of which this rank has some columns, or some rows.

    Args:
        whole: The layer whose parameters it takes over, under the same names.
        turned: Whether the weight has its inputs first.
        group: Ranks whose outputs are summed; None for columns. A bias is added to the sum.
    """

    def __init__(
        self, whole: nn.Module, *, turned: bool = False, group: ProcessGroup | None = None
    ) -> None:
        super().__init__()
        self.weight = cast(nn.Parameter, whole.weight)
        self.register_parameter("bias", cast(nn.Parameter | None, whole.bias))
        self._turned, self._group = turned, group

    def forward(self, input: Tensor) -> Tensor:
        """Return the product with this rank's columns, or the sum over all ranks' rows."""
        weight = self.weight.t() if self._turned else self.weight
        bias = cast("Tensor | None", self.bias)
        if self._group is None:
            return nn.functional.linear(input, weight, bias)
        output = summed_forward(nn.functional.linear(input, weight), self._group)
        return output if bias is None else output + bias.to(output.dtype)


class _SumBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: ProcessGroup | None) -> Tensor:
        ctx.group = group
        return tensor.view_as(tensor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        summed = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed, group=ctx.group)
        return summed, None


class _SumForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: ProcessGroup | None) -> Tensor:
        summed = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed, group=group)
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
