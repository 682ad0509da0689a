"""What the planner takes and gives: model shape, workload, verdicts. Types only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trainer_core.plan.degrees import Degrees, Strategy

VerdictWord = Literal["fits", "tight", "no", "cannot be formed"]
"""`fits`: at most 90 % of usable memory; `tight`: at most 100 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """A causal language model in the numbers that cost memory and time."""

    parameters: int
    """All weights, a tied head counted once."""
    matmul_parameters: int
    """Weights used in matrix products, the tied head once."""
    layers: int
    width: int
    heads: int
    key_value_heads: int
    feed_forward_width: int
    vocabulary: int
    context: int
    """Longest sequence the model takes."""
    gated: bool = False
    """Whether the feed-forward layer has a gate (Llama) or not (GPT-2)."""
    tied: bool = True
    head_width: int | None = None
    """Width of one attention head where it is not `width / heads`."""

    @property
    def attention_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_width if self.head_width else self.width

    @property
    def key_value_width(self) -> int:
        """Width of all key (or value) heads together."""
        return self.key_value_heads * (self.head_width or self.width // self.heads)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What is to be trained, apart from the hardware."""

    shape: ModelShape
    method: Literal["full", "lora", "qlora"]
    sequence_length: int
    global_batch_size: int
    micro_batch_size: int | None = None
    precision: Literal["fp32", "bf16"] = "bf16"
    strategy: Literal["auto", "single", "ddp", "fsdp"] = "auto"
    shard: int | None = None
    """Ranks that share one copy; None, as for the next three, leaves it to the planner."""
    tensor: int | None = None
    pipeline: int | None = None
    context: int | None = None
    recomputation: Literal["auto", "none", "blocks"] = "auto"
    lora_rank: int = 16
    steps: int | None = None
    mean_document_length: float | None = None
    numerics: Literal["auto", "plain"] = "plain"
    """`auto` takes the fast path where there is one."""
    from_scratch: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What a run's peak and speed depend on, beside the device."""

    shape: ModelShape
    method: str
    lora_rank: int
    precision: str
    numerics: str
    sequence_length: int
    degrees: Degrees
    micro_batch_size: int
    gradient_accumulation_steps: int
    recomputed_blocks: int
    from_scratch: bool = False
    """Decides formats on the fast path; False elsewhere."""

    def resembles(self, other: Setup) -> bool:
        """Whether two differ only in sizes: what one measured says something of the other."""
        return (
            self.method == other.method
            and self.precision == other.precision
            and self.numerics == other.numerics
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One run's peak and speed beside what arithmetic alone said of them."""

    setup: Setup
    peak_memory_bytes: int | None = None
    computed_memory_bytes: int | None = None
    tokens_per_second: float | None = None
    """Of full rows, as the planner counts."""
    computed_tokens_per_second: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """One device as the planner sees it, and how many there are to be had."""

    kind: Literal["cpu", "nvidia", "amd", "moai"]
    name: str
    devices: int
    memory_bytes: int
    """Usable by the run on one device: what is free now, at least the driver's share taken off."""
    device_memory_gb: int
    """Round figure for the size's name."""
    matmul_flops: float | None = None
    """Dense rate of one device in the workload's precision, operations per second."""
    memory_bandwidth: float | None = None
    """Bytes per second of one device."""
    link_bandwidth: float | None = None
    """Bytes per second between two devices."""
    node_link_bandwidth: float | None = None
    """Bytes per second of one device to another node, all devices of the node sending."""
    devices_per_node: int | None = None
    described: bool = False
    """True for a machine from a file: planned for, never launched on."""
    largest_allowed: int | None = None
    """Devices of the largest size that this machine's settings allow; None without a limit."""
    driver: str | None = None
    measured: tuple[Measurement, ...] = ()
    """What runs have measured on these devices, oldest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorySplit:
    """Predicted peak of one device in bytes, by what fills it."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    communication: int
    runtime: int
    """Interpreter, libraries, CUDA context, allocator slack."""

    @property
    def total(self) -> int:
        """Sum of all parts."""
        return (
            self.weights
            + self.gradients
            + self.optimizer
            + self.activations
            + self.logits
            + self.communication
            + self.runtime
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a workload is laid over devices, before anything is said of memory or time."""

    degrees: Degrees
    micro_batch_size: int
    """Rows of one forward pass of the ranks that read the same rows."""
    gradient_accumulation_steps: int
    """Micro-batches of one step; with stages all of them make one round of the pipeline."""
    recomputed_blocks: int
    """Blocks of the model whose activations are computed again in the backward pass."""

    @property
    def devices(self) -> int:
        """Devices it takes."""
        return self.degrees.devices

    @property
    def strategy(self) -> Strategy:
        """How the ranks of different rows share weights."""
        return self.degrees.strategy

    @property
    def recomputation(self) -> Literal["none", "blocks"]:
        """Whether any block is computed again."""
        return "blocks" if self.recomputed_blocks else "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan(Layout):
    """One way to run the workload on a number of devices."""

    layers: int
    """Blocks of the model."""
    precision: Literal["fp32", "bf16"]
    memory: MemorySplit
    tokens_per_second: float | None = None
    """Padding not counted; None where the device's speed is unknown."""
    seconds: float | None = None
    """Whole run, None where steps or speed are unknown."""
    fast: bool = False
    """Whether the engine settles micro-batch and recomputation itself, on the fast path."""
    measured: bool = False
    """Whether a run on this machine has measured this very plan."""
    memory_correction: float = 1.0
    """What its computed peak was multiplied by, after what runs on this machine have measured."""

    @property
    def computed_bytes(self) -> float:
        """Peak by arithmetic alone: of two plans alike a measurement must not tip the choice."""
        return self.memory.total / self.memory_correction

    @property
    def line(self) -> str:
        """One line for people and events."""
        again, whole = self.recomputed_blocks, self.recomputed_blocks == self.layers
        recomputed = "recomputation" if whole else f"{again} of {self.layers} blocks recomputed"
        parts = [
            self.degrees.words,
            f"micro-batch {self.micro_batch_size}",
            f"accumulation {self.gradient_accumulation_steps}",
            recomputed if again else "no recomputation",
            self.precision,
        ]
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeVerdict:
    """What one size would do for the workload."""

    size: str
    """Label, e.g. `Small.80GB`."""
    devices: int
    verdict: VerdictWord
    plan: Plan | None = None
    """The best plan at this size; None where it cannot be formed."""
    why: str = ""
    """One sentence: why not, or what would make it fit."""
    mend: tuple[str, str] | None = None
    """Field and text (as `override` takes them) of the cheapest single change that would fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The planner's whole answer."""

    sizes: tuple[SizeVerdict, ...]
    choice: SizeVerdict | None
    """The size asked for, or the fastest that fits."""
    reason: str
    runner_up: SizeVerdict | None = None
    runner_up_cost: str = ""
    next_better: str = ""
    """What the fastest plan that does not fit would need."""
    notes: tuple[str, ...] = field(default=())
    memory_bytes: int | None = None
    """Usable on one device: what peaks are held against."""
