"""Everything that seldom needs a hand: folded away until it is asked for."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.field_spec import (
    YES_NO,
    Choice,
    FieldSpec,
    number,
    shown,
    whole_number,
    words,
)
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.foreign_text import show_line

PRECISIONS = tuple(Choice(value=word, label=word) for word in ("auto", "fp32", "bf16"))
PROMPTS = tuple(
    Choice(value=word, label=word, details=(details,))
    for word, details in (
        ("auto", "the tokenizer's own, else by the data"),
        ("instruct", "[INST] … [/INST]"),
        ("alpaca", "### Instruction / Input / Response, with a preamble"),
        ("alpaca-short", "### Instruction / Input / Response"),
        ("chat", "the tokenizer's chat template"),
        ("text", "nothing around it"),
    )
)


def holder_of(device: DeviceSnapshot) -> str:
    """Say in a word or two who has a device: nobody, a run, a person, or a rule that bars it."""
    if not device.permitted:
        return "not permitted"
    if device.held_by is not None:
        return f"run {show_line(device.held_by, 20)}"
    strangers = [process for process in device.processes if process.run_id is None]
    if device.kind != "cpu" and strangers:
        return show_line(strangers[0].user or f"process {strangers[0].pid}", 20)
    return "idle"


def device_choices(devices: tuple[DeviceSnapshot, ...]) -> tuple[Choice, ...]:
    """List the devices with who holds each."""
    return tuple(
        Choice(
            value=str(device.index),
            label=str(device.index),
            details=(show_line(device.name, 40), holder_of(device)),
            enabled=device.permitted,
        )
        for device in devices
    )


class AdvancedForm(FormPart):
    """The rest of the fields."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="devices",
            label="Devices",
            kind="combo",
            read=words,
            many=True,
            help="Which devices, as 0,2. Empty takes the idlest when the run starts.",
        ),
        FieldSpec(
            name="micro_batch_size",
            label="Micro-batch",
            read=whole_number,
            help="Sequences per forward pass on one device. Empty: the most that fits.",
        ),
        FieldSpec(
            name="precision",
            label="Precision",
            kind="choice",
            choices=PRECISIONS,
            help="auto is fp32 on a CPU and bf16 on cards that have it.",
        ),
        FieldSpec(
            name="optimizer.warmup_steps",
            label="Warm-up steps",
            read=whole_number,
            help="Steps in which the learning rate rises from zero.",
        ),
        FieldSpec(
            name="optimizer.weight_decay",
            label="Weight decay",
            read=number,
            help="AdamW's pull of the weights towards zero.",
        ),
        FieldSpec(
            name="eval.every_steps",
            label="Eval every",
            read=whole_number,
            help="Steps between two measurements on held-out rows; 0: only before and after.",
        ),
        FieldSpec(
            name="checkpoint.every_steps",
            label="Save every",
            read=whole_number,
            help="Steps between two checkpoints; 0: only at the end and on stop.",
        ),
        FieldSpec(
            name="checkpoint.keep",
            label="Keep saves",
            read=whole_number,
            help="How many checkpoints stay on disk.",
        ),
        FieldSpec(
            name="worker.threads",
            label="Threads",
            read=whole_number,
            help="CPU threads of one rank. Empty shares the permitted cores out.",
        ),
        FieldSpec(
            name="eval_dataset",
            label="Eval dataset",
            kind="combo",
            help="Rows to measure on; empty holds out a share of the dataset.",
        ),
        FieldSpec(
            name="data.prompt_format",
            label="Prompt format",
            kind="choice",
            choices=PROMPTS,
            help="The text around a row; it is stored with the model.",
        ),
        FieldSpec(
            name="data.train_on_prompt",
            label="Train on prompt",
            kind="choice",
            choices=YES_NO,
            help="Whether prompt tokens count in the loss too.",
        ),
        FieldSpec(
            name="data.packing",
            label="Packing",
            kind="choice",
            choices=YES_NO,
            help="Several documents share a row; attention never crosses them.",
        ),
        FieldSpec(
            name="data.truncate",
            label="Cut long rows",
            kind="choice",
            choices=YES_NO,
            help="Cut rows longer than the sequence length instead of dropping them.",
        ),
        FieldSpec(
            name="skip_bad_rows",
            label="Skip bad rows",
            kind="choice",
            choices=YES_NO,
            help="Leave broken rows out and count them; no stops before the start.",
        ),
        FieldSpec(
            name="lora.rank",
            label="Lora rank",
            read=whole_number,
            help="Width of the adapters.",
        ),
        FieldSpec(
            name="time_limit",
            label="Time limit",
            help="Wall time after which the run stops and saves, e.g. 1h50m.",
        ),
    )

    def compose(self) -> ComposeResult:
        """Nothing yet: most runs never unfold it, and rows cost time to make."""
        return ()

    async def unfold(self) -> None:
        """Make the rows, the first time."""
        if not self.query(FieldRow):
            await self.mount_all(FieldRow(spec) for spec in self.SPECS)
            self.watch_state(self.state)

    def is_shown(self, field: str, state: FormState) -> bool:
        """Adapters have a rank only where there are adapters."""
        return field != "lora.rank" or state.draft.method != "full"

    def choices_of(self, field: str, state: FormState) -> tuple[Choice, ...] | None:
        """Offer devices with their holders, and datasets."""
        if field == "devices":
            return device_choices(state.devices)
        return state.datasets if field == "eval_dataset" else None

    def default_of(self, field: str, state: FormState) -> str:
        """Say what empty means where the core knows it only later."""
        words_for = {"devices": "idlest", "eval_dataset": "held out", "time_limit": "none"}
        return words_for.get(field) or shown(state.chosen(field)) or "auto"

    def hint_of(self, field: str, state: FormState) -> str:
        """Beside the devices stands who holds them."""
        if field == "devices":
            return " · ".join(f"{device.index} {holder_of(device)}" for device in state.devices)
        return super().hint_of(field, state)
