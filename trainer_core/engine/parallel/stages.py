"""Pipeline stages: each rank keeps its blocks and passes activations on.

Micro-batches go one forward, one backward in turn once the pipeline is full, so that a stage holds
the activations of at most as many micro-batches as there are stages from it to the end. Every stage
makes the same micro-batches itself, so it knows how many tokens arrive, and packed rows may be of
any length.

Source: Narayanan et al. 2019 and 2021, https://arxiv.org/abs/2104.04473 (1F1B)

Legend: T tokens of a flat stream, D width, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer_core.engine.attention import document_arguments
from trainer_core.engine.loss import token_loss_sum
from trainer_core.engine.parallel.mesh import Mesh
from trainer_core.engine.parallel.pieces import ELSEWHERE, WHOLE_MODEL, StoredWeight
from trainer_core.engine.precision import Numerics
from trainer_core.errors import ConfigError

ARCHITECTURES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
"""Model types whose embeddings and last norm are known, and whose head is one product."""


def keep_stage(model: Any, blocks: list[nn.Module], mesh: Mesh) -> list[nn.Module]:
    """Take out of a model what other stages hold; names stay. Returns the blocks that are left.

    Raises:
        ConfigError: If the architecture is not known.
    """
    stages, stage = mesh.degrees.stages, mesh.place.stage
    if stages == 1:
        return blocks
    kind = str(model.config.model_type)
    if kind not in ARCHITECTURES:
        fix = f"use 1, or a model of type {', '.join(ARCHITECTURES)}"
        problem = f"a model of type {kind} cannot be cut into stages"
        raise ConfigError("parallel.pipeline", stages, fix, problem)
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    ranks = mesh.degrees.devices // stages
    whole = {
        name: StoredWeight(
            keeper=ranks * _stage_of(name, len(blocks), stages), shape=p.shape, dtype=p.dtype
        )
        for name, p in model.named_parameters()
    }
    setattr(model, WHOLE_MODEL, whole)
    mine = range(stage * len(blocks) // stages, (stage + 1) * len(blocks) // stages)
    base = model.base_model
    layers = base.h if kind == "gpt2" else base.layers
    for number in range(len(layers)):
        if number not in mine:
            layers[number] = Passing()
    _drop_ends(model, kind, mesh, tied=tied)
    return [block for number, block in enumerate(blocks) if number in mine]


def _stage_of(name: str, layers: int, stages: int) -> int:
    """Return the stage that stores a weight: a block's by its number, of the rest by its place."""
    parts = name.split(".")
    numbers = [int(part) for part in parts if part.isdigit()]
    if numbers:
        return next(s for s in range(stages) if numbers[0] < (s + 1) * layers // stages)
    return 0 if any(part in parts for part in ("wte", "wpe", "embed_tokens")) else stages - 1


def _drop_ends(model: Any, kind: str, mesh: Mesh, *, tied: bool) -> None:
    base = model.base_model
    if not mesh.is_first:
        if kind == "gpt2":
            base.wpe = NoPositions()
            base.drop = nn.Identity()
        if tied and mesh.is_last:
            setattr(model.get_input_embeddings(), ELSEWHERE, True)
        else:
            model.set_input_embeddings(Passing())
    if not mesh.is_last:
        setattr(base, "ln_f" if kind == "gpt2" else "norm", nn.Identity())
        model.set_output_embeddings(Passing())


class Passing(nn.Module):
    """In the place of what another stage holds: hands its input on."""

    def forward(self, hidden: Tensor, *_: object, **__: object) -> Tensor:
        """Return the input."""
        return hidden


class NoPositions(nn.Module):
    """In the place of position embeddings that the first stage has added."""

    def forward(self, positions: Tensor) -> Tensor:
        """Return zero."""
        return torch.zeros((), device=positions.device)


class Pipeline(nn.Module):
    """One stage of a model, and the passes through all of them.

    Every rank of a pipeline calls each method alike, with the same micro-batches.
    """

    def __init__(self, model: nn.Module, numerics: Numerics, mesh: Mesh) -> None:
        super().__init__()
        self.model = model
        self._numerics, self._mesh = numerics, mesh
        self._tied = _tied_weight(model, mesh)
        self._sent: deque[tuple[dist.Work, Tensor]] = deque()

    def forward(self, input_ids: Tensor, **arguments: Any) -> Tensor:
        """Return the summed loss of one flat stream on the last stage, zero on the others."""
        with torch.no_grad():
            _, output = self._pass(input_ids, **arguments)
        self._settle(keep=1)
        return output if self._mesh.is_last else torch.zeros((), device=input_ids.device)

    def forward_backward(
        self, micro_batches: Sequence[dict[str, Any]], scale: float, beat: Callable[[], None]
    ) -> Tensor:
        """Pass all micro-batches of a step through the stages; gradients stand in the parameters.

        Args:
            micro_batches: Arguments of `forward`, of each.
            scale: The loss is multiplied with it before the backward pass.
            beat: Called after each.

        Returns:
            Summed loss on the last stage, zero on the others.
        """
        mesh = self._mesh
        ahead = min(mesh.degrees.stages - mesh.place.stage - 1, len(micro_batches))
        open_passes: deque[tuple[Tensor | None, Tensor]] = deque()
        total = torch.zeros((), device=micro_batches[0]["input_ids"].device)
        for number, arguments in enumerate(micro_batches):
            open_passes.append(self._pass(**arguments))
            if mesh.is_last:
                total += open_passes[-1][1].detach()
            if number >= ahead:
                self._backward(*open_passes.popleft(), scale)
                beat()
        while open_passes:
            self._backward(*open_passes.popleft(), scale)
            beat()
        self._settle(keep=0)
        self._sum_gradients()
        return total

    def last_logits(self, ids: Tensor) -> Tensor:
        """Return [V] scores of the token after `ids` [1, T] on every stage."""
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        lengths = document_arguments((ids.shape[1],))
        with torch.no_grad(), self._numerics.autocast():
            hidden = self._stage(ids, self._receive(ids.shape[1]), positions, lengths)
            self._send(hidden)
            network = cast(Any, self.model)
            scores = (
                network.get_output_embeddings()(hidden[0, -1]).float()
                if self._mesh.is_last
                else torch.empty(network.config.vocab_size, device=ids.device)
            )
        self._settle(keep=0)
        dist.broadcast(scores, group=self._mesh.onward, group_src=self._mesh.degrees.stages - 1)
        return scores

    def _pass(
        self,
        input_ids: Tensor,
        *,
        labels: Tensor,
        position_ids: Tensor,
        document_lengths: tuple[int, ...],
        cumulative_lengths: Tensor | None = None,
        longest: int | None = None,
    ) -> tuple[Tensor | None, Tensor]:
        """Return what came in (None on the first stage) and what it became: the loss at the end."""
        received = self._receive(input_ids.shape[1])
        if received is not None and torch.is_grad_enabled():
            received.requires_grad_()
        documents = document_arguments(document_lengths, cumulative_lengths, longest=longest)
        with self._numerics.autocast():
            hidden = self._stage(input_ids, received, position_ids, documents)
            if not self._mesh.is_last:
                self._send(hidden.detach())
                return received, hidden
            weight = cast(Any, self.model).get_output_embeddings().weight
            return received, token_loss_sum(hidden[0], weight, labels[0])

    def _stage(
        self, ids: Tensor, received: Tensor | None, positions: Tensor, documents: dict[str, Any]
    ) -> Tensor:
        inputs = {"input_ids": ids} if received is None else {"inputs_embeds": received}
        base = cast(Any, self.model).base_model
        output = base(**inputs, position_ids=positions, use_cache=False, **documents)
        return cast(Tensor, output.last_hidden_state)

    def _backward(self, received: Tensor | None, output: Tensor, scale: float) -> None:
        if self._mesh.is_last:
            torch.autograd.backward(output * scale)
        else:
            gradient = torch.empty_like(output)
            dist.recv(gradient, group=self._mesh.back, group_src=self._mesh.place.stage + 1)
            torch.autograd.backward(output, gradient)
        if received is not None and received.grad is not None:
            stage = self._mesh.place.stage
            self._isend(received.grad, stage - 1, self._mesh.back)

    def _receive(self, tokens: int) -> Tensor | None:
        """Return [1, T, D] of the stage before; None on the first one."""
        if self._mesh.is_first:
            return None
        weight = next(self.model.parameters())
        width = cast(Any, self.model).config.hidden_size
        hidden = torch.empty(1, tokens, width, device=weight.device, dtype=self._wire)
        dist.recv(hidden, group=self._mesh.onward, group_src=self._mesh.place.stage - 1)
        return hidden

    @property
    def _wire(self) -> torch.dtype:
        """Format in which activations travel: the residual stream's."""
        return next(self.model.parameters()).dtype

    def _send(self, hidden: Tensor) -> None:
        if not self._mesh.is_last:
            stage = self._mesh.place.stage
            self._isend(hidden.to(self._wire), stage + 1, self._mesh.onward)

    def _isend(self, tensor: Tensor, stage: int, group: dist.ProcessGroup | None) -> None:
        tensor = tensor.contiguous()
        work = dist.isend(tensor, group=group, group_dst=stage)
        if work is not None:
            self._sent.append((work, tensor))

    def _settle(self, *, keep: int) -> None:
        """Wait for what was sent, but for the last few."""
        while len(self._sent) > keep:
            self._sent.popleft()[0].wait()

    def _sum_gradients(self) -> None:
        """Add what the other end of the pipeline and the other copies found."""
        if self._tied is not None and self._tied.grad is not None:
            last = self._mesh.degrees.stages - 1
            other = last if self._mesh.is_first else 0
            there = torch.empty_like(self._tied.grad)
            out, back = (
                (self._mesh.onward, self._mesh.back)
                if self._mesh.is_first
                else (self._mesh.back, self._mesh.onward)
            )
            self._isend(self._tied.grad.clone(), other, out)
            dist.recv(there, group=back, group_src=other)
            self._settle(keep=0)
            # Two numbers: the sum is the same in either order, so both ends step alike.
            self._tied.grad += there
        if self._mesh.copies is not None:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    dist.all_reduce(parameter.grad, group=self._mesh.copies)


class StagedText:
    """A pipeline as what generates text calls a model; it keeps no cache of keys and values."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.config = cast(Any, pipeline.model).config
        self.parameters, self.eval, self.train = (
            pipeline.parameters,
            pipeline.eval,
            pipeline.train,
        )

    @property
    def training(self) -> bool:
        """Whether dropout is on."""
        return self._pipeline.training

    def __call__(
        self, input_ids: Tensor, past_key_values: Tensor | None = None, **_: object
    ) -> SimpleNamespace:
        """Return the scores of the next token; all ids so far take the place of the cache."""
        ids = input_ids if past_key_values is None else torch.cat([past_key_values, input_ids], 1)
        scores = self._pipeline.last_logits(ids)
        return SimpleNamespace(logits=scores[None, None], past_key_values=ids)


def _tied_weight(model: Any, mesh: Mesh) -> nn.Parameter | None:
    """Return the embedding where the other end of the pipeline has it too."""
    if mesh.degrees.stages == 1 or not (mesh.is_first or mesh.is_last):
        return None
    if not model.config.get_text_config().tie_word_embeddings:
        return None
    return cast(nn.Parameter, model.get_input_embeddings().weight)
