"""A run's configuration: what the user may say, with every default in one place.

The structs only declare. `check` finds all wrong fields at once; reading and writing YAML is
in `config_file`. None means "chosen by the core from model, method and device"; the file a
run writes into its folder holds the chosen values, so the same file reproduces the run.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Method = Literal["full", "lora", "qlora"]
Precision = Literal["auto", "fp32", "bf16"]
Choice = Literal["auto", "yes", "no"]
PromptFormat = Literal["auto", "instruct", "alpaca", "alpaca-short", "chat", "text"]
DataFormat = Literal["auto", "instruction", "prompt-completion", "chat", "text"]


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows become trained tokens."""

    format: DataFormat = "auto"
    """Shape of a row; `auto` looks at the columns."""
    prompt_format: PromptFormat = "auto"
    """Text around a row: `instruct` is the tutorial's `[INST] … [/INST]`."""
    instruction_column: str | None = None
    """Column of the request, or of the prompt; None finds it by its name."""
    input_column: str | None = None
    """Column of what the request is about; it may be empty in a row."""
    output_column: str | None = None
    """Column of the answer, which is what is learned."""
    text_column: str | None = None
    """Column of plain text."""
    messages_column: str | None = None
    """Column of chat messages, in either convention."""
    subset: str | None = None
    """Configuration name of a hub dataset."""
    split: str = "train"
    """Split of a hub dataset that is trained on; may be a slice, `train[:10%]`."""
    revision: str | None = None
    """Branch, tag or commit of a hub dataset."""
    train_on_prompt: bool = False
    """Whether prompt tokens count in the loss; the platform's tutorial counts them."""
    eval_fraction: float = 0.02
    """Share held out by hash of the row where the dataset has no split of its own; 0 for none."""
    eval_rows_max: int = 500
    """Most rows held out, however large the share."""
    packing: bool = True
    """Whole documents share a row; attention never crosses them."""
    truncate: bool = False
    """Cut rows longer than `sequence_length` instead of dropping them."""


class OptimizerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW and its learning-rate schedule."""

    weight_decay: float = 0.01
    """Share of the learning rate by which matrices shrink at each step."""
    beta1: float = 0.9
    """Decay of the gradient's running mean."""
    beta2: float = 0.95
    """Decay of the running mean of its square."""
    epsilon: float = 1e-8
    """Added to the root of that mean; keeps the update finite."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this global norm; 0 switches clipping off."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after warm-up."""
    warmup_steps: int | None = None
    """Steps of linear rise; None is 3 % of the run, 10 % with fresh weights, at most 100."""
    minimum_learning_rate_fraction: float = 0.1
    """Where the schedule ends, as a share of `learning_rate`."""
    states: Literal["auto", "fp32", "fp8"] = "auto"
    """Format of AdamW's moments on one card; `auto`: fp32 where they fit."""
    in_backward: Choice = "auto"
    """Whether weights are stepped inside the backward pass; `auto`: where gradients do not fit.
    The gradient's norm is then clipped by an estimate that is made while they come."""


class LoraConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adapters, for methods `lora` and `qlora`."""

    rank: int = 16
    """Inner width of an adapter."""
    alpha: int = 32
    """Scale of an adapter, divided by its rank."""
    dropout: float = 0.0
    """Share of an adapter's inputs left out in training."""
    target_modules: tuple[str, ...] = ()
    """Names of linear layers; empty is every linear layer of the blocks."""


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the run saves itself."""

    every_steps: int | None = None
    """None: as often as about 10 % of the time allows, at most every tenth; 0: only at the end and
    on stop."""
    keep: int = 2
    """Newest checkpoints kept; older ones go once the next is whole."""


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to the event log."""

    every_steps: int = 1
    """Optimizer steps between two step events."""


class EvalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the held-out rows are measured; always before the first step and at the end."""

    every_steps: int | None = None
    """None: as often as about 10 % of the time allows, at most every tenth; 0: only before and at
    the end."""


class SampleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text generated before training and at its end, to be read side by side."""

    prompts: tuple[str, ...] = ()
    """Empty takes held-out rows."""
    count: int = 3
    """How many held-out rows are sampled; 0 for none."""
    new_tokens: int = 64
    """Most tokens of one sample."""


class ParallelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How several devices share the work."""

    strategy: Literal["auto", "single", "ddp", "fsdp"] = "auto"
    """`ddp`: whole copies; `fsdp`: sharded; `single`: one device."""
    shard: int | None = None
    """Ranks that share one copy under `fsdp`; fewer than there are makes several sharded copies.
    None shares one copy among all."""
    tensor: int | None = None
    """Ranks that share every matrix product. None, as for the next two, leaves it to the plan."""
    pipeline: int | None = None
    """Stages of successive blocks, each on its own ranks."""
    context: int | None = None
    """Ranks that share one sequence."""
    recomputation: Literal["auto", "none", "blocks"] = "auto"
    """Whether activations are computed again in the backward pass to save memory."""


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The process that trains."""

    python: str | None = None
    """Interpreter whose torch trains; None is the one that runs the command."""
    threads: int | None = None
    """CPU threads of one rank; None shares the permitted cores out."""


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that shapes a run. Top-level names equal the flags of `moai-tui train`."""

    model: str = "tiny"
    """Preset id, hub id or local folder."""
    from_scratch: bool = False
    """Same architecture with fresh weights."""
    dataset: str = "python-stdlib"
    """`python-stdlib`, `python:PATH`, hub id, file or folder."""
    eval_dataset: str | None = None
    """Held-out rows from another source; None holds out a share of the dataset."""
    size: str | None = None
    """Accelerator size by name, with or without its memory: `Small`, `xLarge.640GB`."""
    devices: tuple[str, ...] = ()
    """Indices or UUIDs; empty takes the idlest permitted ones."""
    method: Method = "full"
    """`full`: every weight; `lora`: adapters; `qlora`: adapters over 4-bit weights."""
    sequence_length: int | None = None
    """Tokens in one packed row."""
    global_batch_size: int | None = None
    """Sequences per optimizer step, over all devices and micro-batches."""
    micro_batch_size: int | None = None
    """Sequences per forward pass on one device."""
    learning_rate: float | None = None
    """Peak rate, reached after warm-up."""
    steps: int | None = None
    """Optimizer steps; wins over `epochs`."""
    epochs: float | None = None
    """Passes over the training rows; fractions are allowed."""
    seed: int = 0
    """Of weights, order of rows and sampling: same seed, same machine, same losses."""
    name: str | None = None
    """What the run is called in lists and commands; must be free."""
    precision: Precision = "auto"
    """`auto`: fp32 on every CPU, bf16 on cards that have it."""
    numerics: Literal["auto", "plain"] = "auto"
    """`auto`: on one card the fastest formats that were measured to learn as well, and others only
    where nothing else fits; elsewhere it is `plain`: fp32 weights and states, products in the
    precision under autocast, nothing in fp8."""
    products: Literal["auto", "bf16", "fp8"] = "auto"
    """Format of the blocks' matrix products with `numerics: auto` on one card."""
    skip_bad_rows: bool = False
    """Leave broken rows out and count them instead of refusing the dataset."""
    time_limit: str | None = None
    """Wall time after which the run stops and saves, e.g. `1h50m`."""
    data: DataConfig = DataConfig()
    """How rows become trained tokens."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW and its schedule."""
    lora: LoraConfig = LoraConfig()
    """Adapters."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When the run saves itself."""
    log: LogConfig = LogConfig()
    """What is written to the event log."""
    eval: EvalConfig = EvalConfig()
    """When held-out rows are measured."""
    sample: SampleConfig = SampleConfig()
    """Text generated before and after."""
    parallel: ParallelConfig = ParallelConfig()
    """How several devices share the work."""
    worker: WorkerConfig = WorkerConfig()
    """The process that trains."""
