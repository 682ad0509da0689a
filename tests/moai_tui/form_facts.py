"""Facts the form is tested with: a verdict, a report, devices, as the real ones would come."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from moai_tui.messages import AcceleratorsRead, DataReady, PlanReady
from moai_tui.widgets.form.field_spec import Choice
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.plan.degrees import Degrees
from trainer_core.plan.types import MemorySplit, Plan, SizeVerdict, Verdict
from trainer_core.run.config.data_report import DataReport, RenderedRow, RowError
from trainer_core.run.config.run_config import RunConfig

MIB = 2**20
CPU = DeviceSnapshot(
    uuid="cpu-0",
    index=0,
    kind="cpu",
    name="AMD EPYC 7B13",
    total_memory_bytes=16 * 2**30,
    memory_used_bytes=2 * 2**30,
)
SPLIT = MemorySplit(
    weights=9 * MIB,
    gradients=9 * MIB,
    optimizer=18 * MIB,
    activations=410 * MIB,
    logits=128 * MIB,
    communication=0,
    runtime=640 * MIB,
)
PLAN = Plan(
    degrees=Degrees(),
    micro_batch_size=8,
    gradient_accumulation_steps=2,
    recomputed_blocks=0,
    layers=4,
    precision="fp32",
    memory=SPLIT,
    tokens_per_second=9800.0,
    seconds=104.0,
)
SMALL = SizeVerdict(
    size="Small.16GB", devices=1, verdict="fits", plan=PLAN, why="Uses 8 % of the memory."
)
VERDICT = Verdict(
    sizes=(SMALL,),
    choice=SMALL,
    reason="One device is the only size this machine can form.",
    memory_bytes=16 * 2**30,
)
REASONS = (
    ("sequence_length", "short rows: 256 holds 99 % of them"),
    ("global_batch_size", "16 k tokens a step suit 2 M weights"),
    ("learning_rate", "fresh weights, full: 3e-3 at 2 M"),
    ("steps", "fits into 100 CPU seconds"),
)
REPORT = DataReport(
    source="python-stdlib",
    format="instruction",
    prompt_format="alpaca-short",
    columns=("instruction", "input", "output"),
    column_roles={"instruction": "instruction", "input": "input", "output": "output"},
    rows=8412,
    train_rows=8244,
    eval_rows=168,
    tokens=1_120_000,
    counted_tokens=702_000,
    sequences=4400,
    sequence_length=256,
    too_long=37,
    dropped=37,
    licence="PSF-2.0",
    rendered=tuple(
        RenderedRow(
            prompt=f"### Instruction:\n{text}\n\n### Response:\n",
            answer=answer,
            tokens=64,
            counted_tokens=31,
        )
        for text, answer in (
            (
                "Return the directory component of a pathname.",
                "def dirname(p):\n    i = p.rfind('/') + 1\n    head = p[:i]\n    return head\n",
            ),
            (
                "Say whether a name is a keyword.",
                "def iskeyword(word):\n    return word in kwlist\n",
            ),
            (
                "Yield every line, numbered from one.",
                "def numbered(lines):\n    for i, line in enumerate(lines, 1):\n"
                "        yield i, line\n",
            ),
        )
    ),
)
MODELS = tuple(
    Choice(value=id, label=id, details=(size, where), group=group)
    for id, size, where, group in (
        ("tiny", "7.63M parameters", "built in", "on this machine"),
        ("smollm2-135m", "135M parameters", "weights are here", "on this machine"),
        ("cerebras-gpt-111m", "111M parameters", "467 MiB download", "presets"),
        ("cerebras-gpt-1.3b", "1.32B parameters", "4.99 GiB download", "presets"),
        ("cerebras-gpt-13b", "12.9B parameters", "48.0 GiB download", "presets"),
        ("llama-3.1-8b", "8.03B parameters", "15.0 GiB download, gated", "presets"),
        ("qwen2.5-0.5b", "494M parameters", "942 MiB download", "presets"),
        ("mistral-7b", "7.25B parameters", "13.5 GiB download", "presets"),
        ("smollm2-1.7b", "1.71B parameters", "3.19 GiB download", "presets"),
    )
)
"""A catalogue that is the same on every machine."""
BROKEN_REPORT = msgspec.structs.replace(
    REPORT,
    source="notes.jsonl",
    errors=(
        RowError(
            file="notes.jsonl",
            row=17,
            line=17,
            column="output",
            message="is missing",
            fix="add it or skip bad rows",
        ),
    ),
    error_count=2,
)


def resolved(draft: RunConfig) -> RunConfig:
    """The draft with defaults chosen, as the core would for `tiny`."""
    chosen = {
        "sequence_length": draft.sequence_length or 256,
        "global_batch_size": draft.global_batch_size or 64,
        "learning_rate": draft.learning_rate or 3e-3,
        "steps": draft.steps or (None if draft.epochs else 300),
        "precision": "fp32",
    }
    return msgspec.structs.replace(draft, **chosen)


def plan_for(draft: RunConfig, **changes: object) -> PlanReady:
    """The planner's answer to a draft; a model of another name takes ten times as much."""
    verdict = VERDICT
    if draft.model != "tiny":
        memory = replace(SPLIT, activations=10 * SPLIT.activations)
        size = replace(SMALL, plan=replace(PLAN, memory=memory, tokens_per_second=980.0))
        verdict = replace(VERDICT, sizes=(size,), choice=size)
    facts = {"verdict": verdict, "resolved": resolved(draft), "reasons": REASONS, **changes}
    return PlanReady(draft, **facts)  # type: ignore[arg-type]


def data_for(draft: RunConfig) -> DataReady:
    """The worker's report on a draft."""
    return DataReady(draft, REPORT)


def devices() -> AcceleratorsRead:
    """One CPU, as on a laptop without a card."""
    return AcceleratorsRead((CPU,))
