"""Everything a trainer needs, built in order: data first, then the model, then the optimizer."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from trainer_core.accelerators.sizes import DEVICES_BY_NAME
from trainer_core.engine import attention, distributed
from trainer_core.engine.checkpoint import (
    VerifiedCheckpoint,
    agreed_checkpoint,
    load_checkpoint,
    stored_state_names,
)
from trainer_core.engine.data.pack import plan_rows
from trainer_core.engine.data.prepared import PreparedData, prepare
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.engine.device import make_repeatable
from trainer_core.engine.distributed import World
from trainer_core.engine.fast_step import (
    BackwardStepper,
    prepare_blocks,
    settle_fast_path,
    takes_fast_path,
)
from trainer_core.engine.feed import RowFeed, StepFeed
from trainer_core.engine.kernels.block_adamw import BlockAdamW
from trainer_core.engine.model import LoadedModel, blocks_of, load_model
from trainer_core.engine.objective import METHOD, Objective, inner_model
from trainer_core.engine.optimizer import build_optimizer
from trainer_core.engine.parallel.mesh import Mesh, make_mesh
from trainer_core.engine.parallel.stages import Pipeline, keep_stage
from trainer_core.engine.parallel.tensor import split_tensors
from trainer_core.engine.precision import Numerics, choose_numerics
from trainer_core.engine.pretrained import check_source
from trainer_core.engine.recompute import recompute_blocks
from trainer_core.engine.reporting import Reporter
from trainer_core.engine.settled import Settled, settle_length, settle_steps
from trainer_core.engine.sharded_model import give_memory
from trainer_core.errors import ConfigError, UserError
from trainer_core.plan.degrees import shape_problem
from trainer_core.plan.fast_path import FastPath
from trainer_core.run.config.run_config import RunConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


DATA_FACT = "data"
"""Under which a checkpoint names the rows it was trained on."""


@dataclass(slots=True)
class Parts:
    """A run in memory, ready for its next step."""

    settled: Settled
    world: World
    mesh: Mesh
    device: torch.device
    numerics: Numerics
    tokenizer: PreTrainedTokenizerBase
    data: PreparedData
    loaded: LoadedModel
    objective: nn.Module
    """`Objective`, wrapped in DDP where there are copies; a `Pipeline` where there are stages."""
    optimizer: torch.optim.Optimizer
    train_feed: StepFeed
    eval_feed: RowFeed | None
    """None where nothing is held out."""
    checkpoint: VerifiedCheckpoint | None
    """What this attempt goes on from."""
    stepper: BackwardStepper | None = None
    """Where weights are stepped inside the backward pass."""

    @property
    def model(self) -> Any:
        """The model as it is saved."""
        return self.loaded.model


def build(
    config: RunConfig, run_folder: Path, *, world: World, device: torch.device, reporter: Reporter
) -> Parts:
    """Prepare data and model of a run and bring back its last checkpoint, if it has one.

    Raises:
        UserError: If something the user can mend is in the way.
    """
    numerics = _numerics_of(config, device, world)
    _fetch(config, reporter)
    tokenizer = load_tokenizer(config.model)
    config = settle_length(config)
    data = prepare(config, tokenizer, report=reporter.phase)
    rows = _rows_of(config, data)
    settled = _settled(config, data, len(rows), world, device)
    mesh = make_mesh(settled.degrees, world.rank, device)
    world = replace(world, holds=mesh.ranks_of_stage)
    reporter.phase("loading")
    checkpoint = agreed_checkpoint(run_folder, world)
    check_same_run(checkpoint, settled, data.fingerprint)
    loaded = load_model(
        config, numerics=numerics, device=device, tokenizer=tokenizer, sharded=mesh.cuts_weights
    )
    reporter.beat()
    settled, path = _path_of(settled, loaded, numerics, device, checkpoint)
    objective, optimizer = _assemble(settled, loaded, numerics, path=path, mesh=mesh)
    # Tensor ranks compute the same activations outside the blocks, so dropout must be the same.
    make_repeatable(config.seed, world.rank // settled.degrees.tensor, device)
    if checkpoint is not None:
        load_checkpoint(checkpoint, model=loaded.model, optimizer=optimizer, rank=world.rank)
    train_feed, eval_feed = _feeds(data, rows, settled, mesh=mesh, loaded=loaded)
    return Parts(
        settled=settled,
        world=world,
        mesh=mesh,
        device=device,
        numerics=numerics,
        tokenizer=tokenizer,
        data=data,
        loaded=loaded,
        objective=objective,
        optimizer=optimizer,
        train_feed=train_feed,
        eval_feed=eval_feed,
        checkpoint=checkpoint,
        stepper=BackwardStepper(cast(BlockAdamW, optimizer)) if path and path.in_backward else None,
    )


def _numerics_of(config: RunConfig, device: torch.device, world: World) -> Numerics:
    """Return the formats of a run; on the fast path trained weights have that of the products."""
    numerics = choose_numerics(config.precision, device)
    if takes_fast_path(config, numerics, world.size):
        return replace(numerics, weights=numerics.compute)
    return numerics


def _rows_of(config: RunConfig, data: PreparedData) -> list[tuple[int, ...]]:
    """Return the packed rows of the training split.

    Raises:
        UserError: If there is none.
    """
    if not len(data.train):
        raise UserError(f"{config.dataset}: no row is left to train on; see `moai-tui data`")
    rows = plan_rows(data.train.lengths, data.sequence_length, packing=config.data.packing)
    return list(rows)


def _settled(
    config: RunConfig, data: PreparedData, sequences: int, world: World, device: torch.device
) -> Settled:
    return settle_steps(
        config,
        sequences=sequences,
        world_size=world.size,
        device=device,
        tokens=data.train.token_count,
        eval_tokens=data.eval.token_count,
    )


def _path_of(
    settled: Settled,
    loaded: LoadedModel,
    numerics: Numerics,
    device: torch.device,
    checkpoint: VerifiedCheckpoint | None,
) -> tuple[Settled, FastPath | None]:
    if numerics.weights == torch.float32:
        return settled, None
    stored = stored_state_names(checkpoint) if checkpoint else frozenset()
    return settle_fast_path(settled, loaded.shape, device, stored_states=stored)


def _fetch(config: RunConfig, reporter: Reporter) -> None:
    """See that the model can be had, and bring what is missing of it."""

    def on_bytes(done: int, total: int | None) -> None:
        reporter.phase("downloading", done, total, "bytes")

    check_source(config.model, from_scratch=config.from_scratch, on_bytes=on_bytes)


def uses_kernel(device: torch.device, numerics: Numerics) -> bool:
    """Whether documents go through the card's variable-length kernel, which needs bf16."""
    return numerics.compute == torch.bfloat16 and attention.varlen_available(device)


def check_same_run(
    checkpoint: VerifiedCheckpoint | None, settled: Settled, data_fingerprint: str = ""
) -> None:
    """Refuse to go on from a checkpoint of other data, another batch or, unasked, other devices.

    Raises:
        UserError: Naming what differs.
    """
    if checkpoint is None:
        return
    ranks = settled.world_size
    if checkpoint.world_size != ranks and asked_devices(settled.config) != ranks:
        raise UserError(
            f"the checkpoint of step {checkpoint.step} was made by {checkpoint.world_size} ranks "
            f"and {ranks} were started; resume with --size to go on with another number"
        )
    if checkpoint.extra.get(DATA_FACT, data_fingerprint) != data_fingerprint:
        raise UserError(
            f"{settled.config.dataset}: its rows are not those the checkpoint of step "
            f"{checkpoint.step} was trained on; bring back what changed, or start a new run"
        )
    for name, now in settled.position_facts().items():
        then = checkpoint.extra.get(name, now)
        if then != now:
            raise UserError(
                f"the checkpoint of step {checkpoint.step} was made with {name} {then} and "
                f"{settled.config.dataset} now gives {now}; bring back what changed, "
                "or start a new run"
            )


def asked_devices(config: RunConfig) -> int | None:
    """Return the number of devices a configuration names; None where it names none."""
    if config.size is not None:
        name = re.sub(r"\.\d+GB$", "", config.size.strip(), flags=re.IGNORECASE)
        return DEVICES_BY_NAME.get(name.lower())
    return len(config.devices) or None


def _feeds(
    data: PreparedData,
    rows: Sequence[tuple[int, ...]],
    settled: Settled,
    *,
    mesh: Mesh,
    loaded: LoadedModel,
) -> tuple[StepFeed, RowFeed | None]:
    device = next(loaded.model.parameters()).device
    numerics = choose_numerics(settled.config.precision, device)
    shared: dict[str, Any] = {
        "sequence_length": data.sequence_length,
        "micro_batch_size": settled.micro_batch_size,
        "device": device,
        "rank": mesh.place.data,
        "world_size": mesh.degrees.data,
        "fixed_shapes": loaded.packed and uses_kernel(device, numerics),
    }
    train = StepFeed(
        RowFeed(data.train, rows, **shared),
        seed=settled.config.seed,
        global_batch_size=settled.global_batch_size,
    )
    if not len(data.eval):
        return train, None
    packing = settled.config.data.packing
    held_out = plan_rows(data.eval.lengths, data.sequence_length, packing=packing)
    return train, RowFeed(data.eval, held_out, **shared)


def _assemble(
    settled: Settled,
    loaded: LoadedModel,
    numerics: Numerics,
    *,
    path: FastPath | None,
    mesh: Mesh,
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Wrap the model as the plan says; the optimizer is built over what is left on this rank."""
    if settled.recomputation == "blocks" and path is None:
        recompute_blocks(loaded.model)
    inner, device = inner_model(loaded.model), mesh.device
    blocks = _cut(inner, blocks_of(inner), loaded, mesh)
    if mesh.holders is not None:
        distributed.shard(inner, blocks, mesh=mesh.holders, compute_dtype=numerics.compute)
    if loaded.fill is not None:
        give_memory(inner, device)
        loaded.fill(inner)
    if mesh.onward is not None:
        objective: nn.Module = Pipeline(inner, numerics, mesh)
    else:
        objective = Objective(loaded.model, numerics, packed=loaded.packed, mesh=mesh)
    if mesh.holders is not None:
        distributed.gather_for(inner, METHOD)
    if path is not None:
        prepare_blocks(inner, blocks, path)
    # Blocks that talk to other ranks are not compiled: their graphs would break at every word.
    alone = mesh.tensor is None and mesh.context is None
    wanted = os.environ.get("MOAI_TUI_COMPILE") != "0"
    if device.type == "cuda" and loaded.packed and alone and wanted:
        for block in blocks:
            block.compile()
    optimizer = build_optimizer(
        inner,
        settled.config.optimizer,
        settled.learning_rate,
        states=path.states if path else None,
        seed=settled.config.seed,
    )
    if mesh.copies is not None and mesh.holders is None and mesh.onward is None:
        objective = distributed.replicate(objective, device=device, group=mesh.copies)
    return objective.train(), optimizer


def _cut(
    inner: nn.Module, blocks: list[nn.Module], loaded: LoadedModel, mesh: Mesh
) -> list[nn.Module]:
    """Leave this rank its stage of the model and its share of the products; returns its blocks.

    Raises:
        ConfigError: If the model cannot be cut that way.
    """
    degrees = mesh.degrees
    problem = shape_problem(degrees, loaded.shape, loaded.shape.context)
    if problem is not None:
        raise problem
    if not loaded.packed and degrees.devices > degrees.data:
        words = "an architecture with attention of its own runs as copies or shards only"
        raise ConfigError("parallel", degrees.words, "leave tensor, pipeline, context out", words)
    blocks = keep_stage(inner, blocks, mesh)
    split_tensors(inner, blocks, mesh)
    return blocks
