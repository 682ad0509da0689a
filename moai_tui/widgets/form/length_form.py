"""How long the run is: in steps or in epochs, each shown as the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from moai_tui.formatting import count_text
from moai_tui.widgets.form.field_spec import FieldSpec, number, shown, whole_number
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState
from trainer_core.run.config.defaults import epochs_from_steps, sequences_at, steps_from_epochs
from trainer_core.run.config.fields import FieldValue

OTHER = {"steps": "epochs", "epochs": "steps"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Length:
    """One length said three ways; None where the data is not known yet."""

    steps: int | None = None
    epochs: float | None = None
    tokens: float | None = None


def length_of(state: FormState) -> Length:
    """Work out steps, epochs and tokens from whichever the draft has.

    Tokens are those of the rows, padding not counted.
    """
    steps, epochs = state.chosen("steps"), state.chosen("epochs")
    if state.draft.epochs is not None and state.draft.steps is None:
        steps = None
    batch, report = state.chosen("global_batch_size"), state.report
    length = state.chosen("sequence_length")
    sequences = sequences_at(report, length if isinstance(length, int) else None)
    if sequences and isinstance(batch, int) and batch > 0:
        if isinstance(steps, int):
            epochs = epochs_from_steps(steps, sequences, batch)
        elif isinstance(epochs, (int, float)):
            steps = steps_from_epochs(epochs, sequences, batch)
    tokens = None
    if report is not None and report.tokens is not None and isinstance(epochs, (int, float)):
        tokens = epochs * report.tokens
    return Length(
        steps=steps if isinstance(steps, int) else None,
        epochs=float(epochs) if isinstance(epochs, (int, float)) else None,
        tokens=tokens,
    )


class LengthForm(FormPart):
    """Steps and epochs; what is typed in one empties the other, which shows its equivalent."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="steps",
            label="Steps",
            read=whole_number,
            help="Optimizer steps. Typing epochs below sets them instead.",
        ),
        FieldSpec(
            name="epochs",
            label="Epochs",
            read=number,
            help="Passes over the training rows, 0.5 is half of them. Typing steps sets them.",
        ),
    )

    def default_of(self, field: str, state: FormState) -> str:
        """Show the length in the unit that was not typed."""
        length = length_of(state)
        if field == "steps":
            return shown(length.steps)
        return "" if length.epochs is None else f"{length.epochs:.3g}"

    def hint_of(self, field: str, state: FormState) -> str:
        """Beside the written unit stands why or what it comes to."""
        length = length_of(state)
        tokens = "" if length.tokens is None else f"{count_text(length.tokens)} tokens"
        if state.wrote("steps") is None and state.wrote("epochs") is None:
            return tokens if field == "epochs" else state.reasons.get("steps", "")
        if state.wrote(field) is not None:
            return tokens
        return "the same length" if self.default_of(field, state) else ""

    def changed(self, field: str, value: FieldValue, problem: str | None) -> None:
        """A length in one unit clears the other."""
        super().changed(field, value, problem)
        if value is not None and problem is None:
            super().changed(OTHER[field], None, None)
