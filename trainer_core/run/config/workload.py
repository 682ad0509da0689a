"""Between a run's configuration and the planner: a workload out of it, and the plan back in."""

from __future__ import annotations

from typing import Literal

import msgspec

from trainer_core.plan.degrees import degrees_of
from trainer_core.plan.hardware import settled_precision
from trainer_core.plan.types import Hardware, Layout, ModelShape, Plan, Workload
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.defaults import BUILT_IN_DATASET
from trainer_core.run.config.run_config import RunConfig

BUILT_IN_MEAN_TOKENS = 180.0
"""Of the built-in dataset's rows, which are seldom counted before a start."""


def workload_of(
    config: RunConfig, shape: ModelShape, hardware: Hardware, report: DataReport | None = None
) -> Workload:
    """Return what the planner has to judge.

    Args:
        config: Resolved: length and batch are set.
        shape: Of the config's model.
        hardware: Settles `precision: auto`.
        report: Of the config's dataset, where there is one.

    Raises:
        ValueError: The config is not resolved.
    """
    precision = settled_precision(hardware.kind, hardware.name, config.precision)
    mean_length = report.mean_tokens_per_row if report else None
    if report is None and config.dataset == BUILT_IN_DATASET:
        mean_length = BUILT_IN_MEAN_TOKENS
    return workload_in(config, shape, precision, mean_document_length=mean_length)


def workload_in(
    config: RunConfig,
    shape: ModelShape,
    precision: Literal["fp32", "bf16"],
    *,
    mean_document_length: float | None = None,
) -> Workload:
    """Return the workload of a resolved config in a precision that is settled already.

    Raises:
        ValueError: The config is not resolved.
    """
    if config.sequence_length is None or config.global_batch_size is None:
        raise ValueError("sequence_length and global_batch_size must be resolved first")
    return Workload(
        shape=shape,
        method=config.method,
        sequence_length=config.sequence_length,
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        precision=precision,
        strategy=config.parallel.strategy,
        shard=config.parallel.shard,
        tensor=config.parallel.tensor,
        pipeline=config.parallel.pipeline,
        context=config.parallel.context,
        recomputation=config.parallel.recomputation,
        lora_rank=config.lora.rank,
        steps=config.steps,
        mean_document_length=mean_document_length,
        numerics=config.numerics,
        from_scratch=config.from_scratch,
    )


def layout_of(config: RunConfig, shape: ModelShape, devices: int) -> Layout:
    """Return the layout a planned config names.

    Raises:
        ConfigError: Its degrees do not make that many devices.
        ValueError: The config is not planned.
    """
    parallel = config.parallel
    if config.global_batch_size is None or config.micro_batch_size is None:
        raise ValueError("global_batch_size and micro_batch_size must be planned first")
    degrees = degrees_of(
        devices,
        strategy="single" if devices == 1 else parallel.strategy,
        shard=parallel.shard,
        tensor=parallel.tensor,
        pipeline=parallel.pipeline,
        context=parallel.context,
    )
    each = degrees.data * config.micro_batch_size
    return Layout(
        degrees=degrees,
        micro_batch_size=config.micro_batch_size,
        gradient_accumulation_steps=-(-config.global_batch_size // each),
        recomputed_blocks=shape.layers if parallel.recomputation == "blocks" else 0,
    )


def apply_plan(config: RunConfig, plan: Plan) -> RunConfig:
    """Return the config with the plan's choices written into it.

    On the fast path how many blocks are recomputed stays open: the engine sees the card's memory.
    """
    again = config.parallel.recomputation if plan.fast else plan.recomputation
    degrees, several = plan.degrees, plan.devices > 1
    parallel = msgspec.structs.replace(
        config.parallel,
        strategy=plan.strategy,
        shard=degrees.shards if plan.strategy == "fsdp" else None,
        tensor=degrees.tensor if several else None,
        pipeline=degrees.stages if several else None,
        context=degrees.context if several else None,
        recomputation=again,
    )
    return msgspec.structs.replace(
        config,
        micro_batch_size=plan.micro_batch_size,
        precision=plan.precision,
        parallel=parallel,
    )
