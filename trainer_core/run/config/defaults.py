"""What a run gets where its user said nothing, by method, model size and device, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from trainer_core.accelerators.sizes import DEVICES_BY_NAME
from trainer_core.plan.hardware import settled_precision
from trainer_core.plan.types import Hardware, ModelShape
from trainer_core.run.config.cadence import (
    CADENCE,
    FRESH_WARMUP_LEAST,
    FRESH_WARMUP_SHARE,
    WARMUP_MAX,
    WARMUP_SHARE,
    Costs,
    costs_of,
    fill_cadence,
    is_fresh,
)
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.fields import value_of
from trainer_core.run.config.rates import choose_rate
from trainer_core.run.config.run_config import RunConfig

BUILT_IN_MODEL, BUILT_IN_DATASET = "tiny", "python-stdlib"

TINY_STEPS = 60
"""About 110 CPU seconds of training on two cores at the length and batch below."""
TINY_LENGTH = 256
TINY_BATCH = 8

CPU_LENGTH = 512
CARD_LENGTH = 1024
"""Tokens of a packed row; the platform's tutorials use 1024."""

CPU_LENGTH_MOST = 1024
CPU_BATCH = 8
CARD_BATCH = 32
LORA_BATCH = 16

STEPS_PER_EPOCH_WANTED = 20
"""Fewer optimizer steps than this teach little, so small data gets a smaller batch."""

BUILT_IN_TOKENS, BUILT_IN_EVAL_SHARE = 274_000, 0.07
"""Training tokens of the built-in dataset for the built-in model, and its held-out ones to those:
it is not counted before start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """A config with its open fields filled, and a sentence for each that was."""

    config: RunConfig
    choices: tuple[str, ...]


def resolve(
    config: RunConfig,
    shape: ModelShape,
    hardware: Hardware | None,
    report: DataReport | None = None,
) -> Resolved:
    """Fill the fields left open.

    `micro_batch_size` and `parallel` stay open: the plan fills them (`run.workload.apply_plan`).
    Steps stay open too while the data is not counted, unless the run is the built-in one.

    Args:
        config: Checked already.
        shape: Of its model.
        hardware: None where no device can be had; then a CPU is assumed.
        report: Of its dataset, where it was counted.
    """
    choices: list[str] = []
    kind = hardware.kind if hardware else "cpu"
    config = _with_precision(config, hardware, choices)
    if config.sequence_length is None:
        length, reason = choose_length(config, shape, kind, report)
        choices.append(f"sequence_length {length}: {reason}")
        config = msgspec.structs.replace(config, sequence_length=length)
    sequences = sequences_at(report, config.sequence_length)
    if config.global_batch_size is None:
        batch, reason = _batch(config, kind, sequences)
        choices.append(f"global_batch_size {batch}: {reason}")
        config = msgspec.structs.replace(config, global_batch_size=batch)
    if config.learning_rate is None:
        rate, reason = choose_rate(config, shape)
        choices.append(f"learning_rate {rate:g}: {reason}")
        config = msgspec.structs.replace(config, learning_rate=rate)
    config = _with_steps(config, sequences, choices)
    if config.steps is not None:
        filled = fill_cadence(config, config.steps, run_costs(config, kind, report))
        for field in _CADENCE:
            if value_of(config, field) is None and value_of(filled, field) is not None:
                choices.append(f"{field} {value_of(filled, field)}: {explain(field, config)}")
        config = filled
    return Resolved(config=config, choices=tuple(choices))


def steps_from_epochs(epochs: float, sequences: int, global_batch_size: int) -> int:
    """Return the optimizer steps of some passes over the data, at least 1.

    Args:
        epochs: Passes, fractions allowed.
        sequences: Packed rows in one pass.
        global_batch_size: Sequences of one step.
    """
    # A hair below, so that 3 × (1/3) of a pass is not one step more.
    return max(1, math.ceil(epochs * sequences / global_batch_size - 1e-9))


def epochs_from_steps(steps: int, sequences: int, global_batch_size: int) -> float | None:
    """Return the passes over the data that some steps make; None where there is no data."""
    return steps * global_batch_size / sequences if sequences else None


def sequences_at(report: DataReport | None, sequence_length: int | None) -> int | None:
    """Return the packed rows of one pass at a length; None where the data is not counted.

    A report for another length is converted by its tokens: packing leaves about 3 % unused.
    """
    if report is None or not sequence_length:
        return None
    if report.sequences and report.sequence_length in (None, sequence_length):
        return report.sequences
    if report.tokens:
        return max(1, math.ceil(report.tokens / (0.97 * sequence_length)))
    return None


def explain(field: str, config: RunConfig, shape: ModelShape | None = None) -> str:
    """Return the line beside a form's field: what it is by default, and why.

    Args:
        field: Dotted name.
        config: The draft.
        shape: Of its model; None where that is not known.

    Returns:
        Empty for fields whose default needs no words.
    """
    if field == "learning_rate" and shape is not None:
        rate, reason = choose_rate(msgspec.structs.replace(config, learning_rate=None), shape)
        return f"{rate:g}: {reason}"
    if field == "sequence_length" and shape is not None:
        return f"tokens in one packed row; this model takes at most {shape.context}"
    if field in ("steps", "epochs") and _built_in(config):
        return f"{TINY_STEPS} steps: about a minute on two cores"
    if field == "optimizer.warmup_steps" and is_fresh(config):
        return (
            f"{FRESH_WARMUP_SHARE:.0%} of the run, {FRESH_WARMUP_LEAST} to {WARMUP_MAX} steps: "
            "fresh weights"
        )
    return _EXPLAINED.get(field, "")


_EXPLAINED = {
    "sequence_length": f"tokens in one packed row: {CPU_LENGTH} on a CPU, {CARD_LENGTH} on a card",
    "global_batch_size": f"sequences a step: {CPU_BATCH} on a CPU, {CARD_BATCH} on a card"
    f" ({LORA_BATCH} with adapters), less for small data",
    "micro_batch_size": "what the plan finds fastest of what fits",
    "learning_rate": "by method and model size",
    "steps": "one pass over your data; steps win over epochs",
    "epochs": "one pass over your data",
    "precision": "auto: fp32 on a CPU, bf16 on cards that have it",
    "optimizer.warmup_steps": f"{WARMUP_SHARE:.0%} of the run, at most {WARMUP_MAX} steps",
    "optimizer.max_grad_norm": "gradients above this norm are scaled down to it; 0 is off",
    "numerics": "auto: the fastest formats on one card; plain: fp32 weights and states, no fp8",
    "products": "auto: fp8 in fine-tunes of wide models on cards that have it, else bf16",
    "optimizer.states": "auto: fp32 where they fit on one card, else 8 bits",
    "optimizer.in_backward": "auto: only where all gradients at once do not fit; the"
    " norm is clipped by an estimate",
    "eval.every_steps": f"before, at the end and at most {CADENCE - 1} times between,"
    " never over about 10 % of the time",
    "checkpoint.every_steps": f"at the end, on stop and at most {CADENCE - 1} times between,"
    " never over about 10 % of the time",
    "checkpoint.keep": "the newest ones; older are deleted after the next is whole",
    "lora.rank": "16 is enough for most fine-tuning; alpha is twice the rank",
    "data.train_on_prompt": "off: only the answer counts in the loss",
    "data.eval_fraction": "2 % of the rows, at most 500, held out by hash of the row",
    "worker.threads": "the permitted cores, shared out over the ranks",
    "size": "the current accelerator's",
    "parallel.strategy": "the fastest that fits",
    "parallel.recomputation": "only where keeping activations does not fit",
    "seed": "same seed, same machine: the same losses",
}


_CADENCE = ("optimizer.warmup_steps", "eval.every_steps", "checkpoint.every_steps")
"""Fields that wait for the number of steps."""


def _built_in(config: RunConfig) -> bool:
    return config.model == BUILT_IN_MODEL and config.dataset == BUILT_IN_DATASET


def run_costs(config: RunConfig, kind: str, report: DataReport | None) -> Costs:
    """Return what an evaluation and a checkpoint of a run cost, in its steps.

    Args:
        config: Its length and batch may still be open.
        kind: Of the device.
        report: Of its dataset, where it was counted.
    """
    length, batch = config.sequence_length or CPU_LENGTH, config.global_batch_size or CPU_BATCH
    step_tokens: float = length * batch
    eval_tokens: float | None = None
    if report is not None and report.tokens and report.train_rows:
        eval_tokens = report.tokens * report.eval_rows / report.train_rows
        sequences = sequences_at(report, length)
        step_tokens = report.tokens / sequences * batch if sequences else step_tokens
    elif config.dataset == BUILT_IN_DATASET and config.eval_dataset is None:
        eval_tokens = BUILT_IN_EVAL_SHARE * BUILT_IN_TOKENS
    return costs_of(config, eval_tokens=eval_tokens, step_tokens=step_tokens, card=kind != "cpu")


def _with_precision(config: RunConfig, hardware: Hardware | None, choices: list[str]) -> RunConfig:
    if config.precision != "auto" or hardware is None:
        return config
    precision = settled_precision(hardware.kind, hardware.name, "auto")
    reason = "CPUs are many times slower in bf16" if hardware.kind == "cpu" else "the card has it"
    if precision == "fp32" and hardware.kind != "cpu":
        reason = "the card has no bf16 units"
    choices.append(f"precision {precision}: {reason}")
    return msgspec.structs.replace(config, precision=precision)


def choose_length(
    config: RunConfig, shape: ModelShape, kind: str, report: DataReport | None = None
) -> tuple[int, str]:
    """Return the tokens of a packed row and why, for a config that leaves them open.

    Args:
        config: Its model and dataset are read.
        shape: Of the model: no row is longer than its context.
        kind: `cpu`, or a card's.
        report: Of the dataset, for any length: where rows are longer, so is the default.
    """
    if config.model == BUILT_IN_MODEL:
        wanted = TINY_LENGTH
        reason = "four of five built-in rows fit" if _built_in(config) else "keeps steps short"
    elif kind == "cpu":
        wanted, reason = CPU_LENGTH, "long enough for most rows, short enough for a CPU"
    else:
        wanted, reason = CARD_LENGTH, "the length of the platform's tutorials"
    left_out, most = (0.1, CPU_LENGTH_MOST) if kind == "cpu" else (0.01, 4 * CARD_LENGTH)
    needed = min(_length_of_most(report, 1 - left_out), most) if report else 0
    if wanted < needed and not _built_in(config) and not config.data.truncate:
        reason = f"more than {left_out:.0%} of the rows are longer than {wanted} tokens"
        wanted = needed
    if wanted > shape.context:
        return shape.context, "the model takes no more"
    return wanted, reason


def _length_of_most(report: DataReport, share: float) -> int:
    """Return the length, a power of two, that holds a share of the rows; 0 where none matters."""
    if report.format == "text":
        return 0  # what does not fit goes on in the next row
    rows = sum(count for _, count in report.length_histogram)
    held = 0
    for bound, count in report.length_histogram:
        held += count
        if held >= share * rows:
            return bound
    return 0


def _batch(config: RunConfig, kind: str, sequences: int | None) -> tuple[int, str]:
    if config.model == BUILT_IN_MODEL:
        batch, reason = TINY_BATCH, "small steps, many of them"
    elif kind == "cpu":
        batch, reason = CPU_BATCH, "keeps a step short on a CPU"
    elif config.method == "full":
        batch, reason = CARD_BATCH, "steady gradients at full speed"
    else:
        batch, reason = LORA_BATCH, "adapters learn best in smaller batches"
    if sequences is not None and sequences < batch * STEPS_PER_EPOCH_WANTED:
        most = max(1, sequences // STEPS_PER_EPOCH_WANTED)
        smaller = 2 ** int(math.log2(most))
        if smaller < batch:
            batch, reason = smaller, f"{sequences} packed rows make few steps otherwise"
    micro = config.micro_batch_size or 1
    round_size = (DEVICES_BY_NAME.get(_size_name(config), 1) or len(config.devices)) * micro
    if batch % round_size:
        batch = math.ceil(batch / round_size) * round_size
        reason = "a multiple of what the devices take in one round"
    return batch, reason


def _size_name(config: RunConfig) -> str:
    name = (config.size or "").strip().lower()
    stem, _, memory = name.rpartition(".")
    return stem if stem and memory.endswith("gb") else name


def _with_steps(config: RunConfig, sequences: int | None, choices: list[str]) -> RunConfig:
    if config.steps is not None:
        return config
    epochs = config.epochs
    if epochs is None and _built_in(config):
        choices.append(f"steps {TINY_STEPS}: about a minute on two cores")
        return msgspec.structs.replace(config, steps=TINY_STEPS)
    if epochs is None:
        epochs = 1.0
        choices.append("epochs 1: one pass over your data; more is often memorising")
        config = msgspec.structs.replace(config, epochs=epochs)
    if sequences is None or config.global_batch_size is None:
        return config
    steps = steps_from_epochs(epochs, sequences, config.global_batch_size)
    return msgspec.structs.replace(config, steps=steps)
