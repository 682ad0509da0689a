from __future__ import annotations

from moai_tui.widgets.form.dataset_form import DatasetForm
from moai_tui.widgets.form.form_state import FormState
from tests.moai_tui.form_facts import REPORT


def hint(**known: object) -> str:
    return DatasetForm().hint_of("dataset", FormState(**known))


def test_beside_the_dataset_stands_how_much_there_is_of_it() -> None:
    assert hint() == ""
    assert hint(report=REPORT) == "8,244 rows, 702k tokens trained"
    assert hint(reading_seconds=2.0) == "reading …"
    assert hint(data_problem="gone") == "✗ gone"
