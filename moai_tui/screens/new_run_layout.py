"""The form's keys, and where its parts stand."""

from __future__ import annotations

from textual.binding import Binding, BindingType

ACTION_HELP = {
    "start": "Starts the run; it goes on when this terminal is closed.",
    "unfold": "Devices, micro-batch, precision, eval and save cadence, prompt format and more.",
}
KEYS = (
    ("ctrl+s", "start"),
    ("enter", "list"),
    ("ctrl+o", "advanced"),
    ("ctrl+y", "command"),
    ("esc", "back"),
)

BINDINGS: list[BindingType] = [
    # Before other keys: text that comes in one packet with Tab belongs to the next field.
    Binding("tab", "leave_field", show=False, priority=True),
    Binding("down", "app.focus_next", show=False, priority=True),
    Binding("shift+tab,up", "app.focus_previous", show=False, priority=True),
    Binding("ctrl+s,f5", "start", "Start", id="form.start", tooltip="Start this run"),
    Binding("escape", "back", "Back", id="form.back", tooltip="Leave the form"),
    # Letters of the other screens would throw the draft away from a field that takes no text.
    Binding("q,1,2", "back", show=False),
    Binding("n,f2", "nothing", show=False),
    Binding("ctrl+o,f4", "advanced", "Advanced", id="form.advanced", tooltip="More fields"),
    Binding("ctrl+t,f3", "page", "Verdict or data", id="form.page", tooltip="Other page"),
    Binding("ctrl+g,f6", "mend", "Make it fit", id="form.mend", tooltip="Take the advice"),
    Binding("ctrl+y,f8", "command", "Command", id="form.command", tooltip="Copy the command"),
]

CSS = """
NewRunScreen #columns { height: auto; }
NewRunScreen RunForm { width: 3fr; }
NewRunScreen VerdictPanel { display: none; width: 2fr; height: 100%; padding: 0 1; }
NewRunScreen DataPreview { display: none; height: 1fr; padding: 0 1; }
NewRunScreen CompactPanel { height: 1fr; padding: 0 1; }
NewRunScreen.-advanced #columns, NewRunScreen.-advanced RunForm { height: 1fr; }
NewRunScreen.-advanced CompactPanel, NewRunScreen.-advanced DataPreview { height: 8; }
NewRunScreen.-wide VerdictPanel, NewRunScreen.-wide DataPreview { display: block; }
NewRunScreen.-wide CompactPanel { display: none; }
NewRunScreen.-tall FormPart, NewRunScreen.-tall #actions { margin-bottom: 1; }
NewRunScreen.-tall #columns { padding-top: 1; }
NewRunScreen.-tall.-advanced DataPreview { height: 14; }
"""
