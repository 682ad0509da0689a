"""How many devices the run is given, with what each size would do."""

from __future__ import annotations

from typing import ClassVar

from moai_tui.formatting import bytes_text, duration_text, rate_text
from moai_tui.widgets.form.field_spec import Choice, FieldSpec
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState
from trainer_core.accelerators.base import SIZE_NAMES
from trainer_core.plan.types import SizeVerdict, Verdict

MARKS = {"fits": "✓", "tight": "~", "no": "✗", "cannot be formed": "–"}
"""Beside the word, so that the verdict is seen without colour."""


CURRENT = Choice(value=None, label="current accelerator")


def size_choices(verdict: Verdict | None) -> tuple[Choice, ...]:
    """List the sizes this machine can form, each with its verdict, peak and time.

    The first choice takes the current accelerator's; sizes that cannot be formed are one line.
    """
    if verdict is None:
        return (CURRENT,)
    formed = [size for size in verdict.sizes if size.verdict != "cannot be formed"]
    missing = len(SIZE_NAMES) - len(formed)
    choices = [CURRENT, *(_choice(size) for size in formed)]
    if missing > 0:
        most = max((size.devices for size in formed), default=0)
        text = f"{missing} larger sizes need more than {most} device{'s' if most != 1 else ''}"
        choices.append(Choice(value="", label=text, enabled=False))
    return tuple(choices)


def _choice(size: SizeVerdict) -> Choice:
    plan, able = size.plan, size.verdict in ("fits", "tight")
    return Choice(
        value=size.size,
        label=size.size,
        details=(
            f"{MARKS[size.verdict]} {size.verdict}",
            "" if plan is None else f"{bytes_text(plan.memory.total)} peak",
            "" if not able or plan is None else rate_text(plan.tokens_per_second),
            "" if not able or plan is None else duration_text(plan.seconds),
            "" if plan is None else "measured" if plan.measured else "computed only",
        ),
    )


class SizePicker(FormPart):
    """The accelerator's size; its list shows fits, tight or no beside each."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="size",
            label="Size",
            kind="choice",
            help="How many devices form the accelerator. Enter lists what each size would do.",
        ),
    )

    def choices_of(self, field: str, state: FormState) -> tuple[Choice, ...] | None:
        """Offer the sizes of the verdict; a size written elsewhere stays in the list."""
        choices = size_choices(state.verdict)
        wrote = state.draft.size
        if wrote is not None and all(choice.value != wrote for choice in choices):
            choices += (Choice(value=wrote, label=wrote),)
        return choices

    def default_of(self, field: str, state: FormState) -> str:
        """Show the current accelerator's size."""
        choice = state.verdict.choice if state.verdict is not None else None
        return "current" if choice is None else f"{choice.size} (current)"

    def hint_of(self, field: str, state: FormState) -> str:
        """Say the verdict in a word."""
        choice = state.verdict.choice if state.verdict is not None else None
        if choice is None:
            return ""
        peak = "" if choice.plan is None else f", {bytes_text(choice.plan.memory.total)} peak"
        return f"{MARKS[choice.verdict]} {choice.verdict}{peak}"
