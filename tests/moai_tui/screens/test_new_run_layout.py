from __future__ import annotations

from textual.binding import Binding

from moai_tui.screens.new_run_layout import BINDINGS, KEYS


def test_the_keys_named_in_the_last_line_are_bound() -> None:
    bound = {
        key
        for binding in BINDINGS
        if isinstance(binding, Binding)
        for key in binding.key.replace("escape", "esc").split(",")
    }
    # Enter is the focused field's own.
    assert {key for key, _ in KEYS} - {"enter"} <= bound
