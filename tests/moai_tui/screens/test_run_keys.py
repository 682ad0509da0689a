"""Which keys the last line of the run screen names."""

from __future__ import annotations

from moai_tui.screens.run_keys import BINDINGS, hints_for
from moai_tui.widgets.key_line import hint_line
from tests.moai_tui.widget_app import text_of


def test_the_key_line_says_that_the_run_goes_on_and_fits_80_columns() -> None:
    hints = hints_for("running", 0)
    assert hints[0] == ("q", "leave, the run goes on")
    line = text_of([hint_line(hints, 78)])
    for key in ("s stop", "+ - zoom", "y copy", "esc back", "? help"):
        assert key in line


def test_resume_is_offered_where_it_works() -> None:
    assert hints_for("paused", 3)[0] == ("R", "resume")
    assert ("R", "resume") in hints_for("lost", 3)
    assert ("R", "resume") not in hints_for("finished", 3)
    assert ("s", "stop") not in hints_for("finished", 3)


def test_no_key_means_two_things() -> None:
    keys = [key for binding in BINDINGS for key in binding.key.split(",")]
    assert len(keys) == len(set(keys))
