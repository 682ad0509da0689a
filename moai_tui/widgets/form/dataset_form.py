"""Which rows are trained on."""

from __future__ import annotations

from typing import ClassVar

from moai_tui.formatting import count_text
from moai_tui.widgets.form.data_preview import rows_text
from moai_tui.widgets.form.field_spec import Choice, FieldSpec
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState


class DatasetForm(FormPart):
    """The dataset; what the model sees of it stands in the data preview."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="dataset",
            label="Dataset",
            kind="combo",
            help="Preset, file, folder, python:FOLDER or hub id. Tab completes a path.",
        ),
    )

    def choices_of(self, field: str, state: FormState) -> tuple[Choice, ...] | None:
        """Offer what lies here, then the presets."""
        return state.datasets

    def hint_of(self, field: str, state: FormState) -> str:
        """Say how much there is of it, or that it is being read."""
        if state.reading_seconds is not None:
            return "reading …"
        if state.data_problem is not None:
            return f"✗ {state.data_problem}"
        report = state.report
        if report is None:
            return ""
        trained = f", {count_text(report.counted_tokens)} tokens trained"
        rows = rows_text(report.train_rows)
        return rows + (trained if report.counted_tokens is not None else "")
