from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.form.advanced_form import AdvancedForm, device_choices, holder_of
from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.form_state import FormState
from tests.moai_tui.form_facts import CPU
from tests.moai_tui.widget_app import WidgetApp
from trainer_core.accelerators.base import DeviceProcess
from trainer_core.run.config.run_config import RunConfig

CARD = replace(CPU, kind="nvidia", name="NVIDIA H100", uuid="GPU-1", index=1)


def test_who_holds_a_device_is_said_in_a_word() -> None:
    assert holder_of(CARD) == "idle"
    assert holder_of(replace(CARD, held_by="20261124-120000-abcdef")) == "run 20261124-120000-abc…"
    assert holder_of(replace(CARD, permitted=False)) == "not permitted"
    stranger = DeviceProcess(pid=77)
    assert holder_of(replace(CARD, processes=(stranger,))) == "process 77"
    assert holder_of(replace(CARD, processes=(replace(stranger, user="bob"),))) == "bob"
    assert holder_of(replace(CARD, processes=(replace(stranger, run_id="r"),))) == "idle"


def test_a_barred_device_cannot_be_picked() -> None:
    free, barred = device_choices((CPU, replace(CARD, permitted=False)))
    assert (free.value, free.enabled) == ("0", True)
    assert (barred.value, barred.enabled) == ("1", False)


async def test_rows_are_made_when_it_is_unfolded_and_show_what_is_known() -> None:
    app = WidgetApp(AdvancedForm())
    async with app.run_test(size=(80, 24)) as pilot:
        assert not app.query(FieldRow)
        app.widget.state = FormState(devices=(CPU, CARD), draft=RunConfig(micro_batch_size=4))
        await app.widget.unfold()
        await app.widget.unfold()
        await pilot.pause()
        assert len(app.query(FieldRow)) == len(AdvancedForm.SPECS)
        assert app.query_one("#devices", FieldRow).state.hint == "0 idle · 1 idle"
        assert app.query_one("#micro_batch_size", FieldRow).editor.value == "4"
        assert not app.query_one("#lora-rank").display
