from __future__ import annotations

import pytest

from moai_tui.widgets.form.batch_form import BatchForm


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("sequence_length", "1k", 1000),
        ("global_batch_size", "64", 64),
        ("learning_rate", "3e-4", 3e-4),
    ],
)
def test_each_field_reads_its_own_kind_of_number(field: str, text: str, value: float) -> None:
    spec = next(spec for spec in BatchForm.SPECS if spec.name == field)
    assert spec.read(text) == value
    assert spec.unset is None
