from __future__ import annotations

from moai_tui.widgets.form.field_spec import Choice
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.model_form import ModelForm
from trainer_core.run.config.run_config import RunConfig

CHOICES = (Choice(value="tiny", label="tiny", details=("7.63M parameters", "built in")),)


def test_every_model_may_start_with_fresh_weights() -> None:
    form = ModelForm()
    for model in ("tiny", "smollm2-135m"):
        assert form.is_shown("from_scratch", FormState(draft=RunConfig(model=model)))


def test_what_was_picked_is_said_beside_it() -> None:
    form, state = ModelForm(), FormState(models=CHOICES)
    assert form.hint_of("model", state) == "7.63M parameters · built in"
    assert form.hint_of("method", state) == "every weight is trained"
    assert form.hint_of("from_scratch", state) == "trained weights"
    assert form.hint_of("model", FormState(draft=RunConfig(model="/some/folder"))) == ""
    assert form.choices_of("model", state) == CHOICES
