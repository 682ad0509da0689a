"""What the run is called, and the seed that makes it repeatable."""

from __future__ import annotations

from typing import ClassVar

from moai_tui.widgets.form.field_spec import FieldSpec, whole_number
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState


class IdentityForm(FormPart):
    """Name and seed."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="name",
            label="Name",
            help="A word to find the run by, in lists and commands.",
        ),
        FieldSpec(
            name="seed",
            label="Seed",
            read=whole_number,
            help="Same seed, same machine: the same losses to the last digit.",
        ),
    )

    def default_of(self, field: str, state: FormState) -> str:
        """A run without a name is called by its id."""
        return "none" if field == "name" else super().default_of(field, state)
