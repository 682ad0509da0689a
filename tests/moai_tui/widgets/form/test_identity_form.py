from __future__ import annotations

from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.identity_form import IdentityForm


def test_a_run_without_a_name_says_so_and_the_seed_is_a_number() -> None:
    name, seed = IdentityForm.SPECS
    form = IdentityForm()
    assert form.default_of("name", FormState()) == "none"
    assert seed.read("7") == 7
    assert (name.unset, seed.unset) == (None, 0)
