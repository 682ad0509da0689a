"""Which model, with which weights, and how much of it is trained."""

from __future__ import annotations

from typing import ClassVar

from moai_tui.widgets.form.field_spec import YES_NO, Choice, FieldSpec
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState

METHODS = (
    Choice(value="full", label="full", details=("every weight is trained",)),
    Choice(value="lora", label="lora", details=("small adapters beside frozen weights",)),
    Choice(value="qlora", label="qlora", details=("lora over weights held in 4 bits",)),
)


class ModelForm(FormPart):
    """Model, fresh or trained weights, method."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="model",
            label="Model",
            kind="combo",
            help="Preset, hub id or folder. Enter lists those on this machine first.",
        ),
        FieldSpec(
            name="from_scratch",
            label="From scratch",
            kind="choice",
            choices=YES_NO,
            help="Yes builds the same architecture with fresh weights: no download.",
        ),
        FieldSpec(
            name="method",
            label="Method",
            kind="choice",
            choices=METHODS,
            help="full trains every weight; lora and qlora train small adapters.",
        ),
    )

    def choices_of(self, field: str, state: FormState) -> tuple[Choice, ...] | None:
        """Offer the models of the catalogue."""
        return state.models if field == "model" else None

    def hint_of(self, field: str, state: FormState) -> str:
        """Say what was picked."""
        if field == "model":
            choice = next((c for c in state.models if c.value == state.draft.model), None)
            details = choice.details if choice is not None else ()
            return " · ".join(details[:1] if state.draft.from_scratch else details)
        if field == "method":
            return next(c.details[0] for c in METHODS if c.value == state.draft.method)
        return "fresh weights, no download" if state.draft.from_scratch else "trained weights"
