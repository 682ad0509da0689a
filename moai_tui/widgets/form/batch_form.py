"""How long a row is, how many make a step, and how far each step goes."""

from __future__ import annotations

from typing import ClassVar

from moai_tui.widgets.form.field_spec import FieldSpec, number, whole_number
from moai_tui.widgets.form.form_part import FormPart


class BatchForm(FormPart):
    """Sequence length, global batch, learning rate: left open, the core chooses and says why."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec(
            name="sequence_length",
            label="Sequence length",
            read=whole_number,
            help="Tokens in one packed row. Longer rows of data are dropped, or cut.",
        ),
        FieldSpec(
            name="global_batch_size",
            label="Global batch",
            read=whole_number,
            help="Sequences per optimizer step, over all devices and micro-batches.",
        ),
        FieldSpec(
            name="learning_rate",
            label="Learning rate",
            read=number,
            help="Highest rate, reached after warm-up; falls along a cosine after it.",
        ),
    )
