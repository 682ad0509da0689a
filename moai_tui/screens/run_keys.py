"""The keys of the run screen, and which of them its last line names."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding, BindingType

from moai_tui.screens import run_actions
from moai_tui.screens.run_layout import OUTCOME, OVERVIEW
from moai_tui.widgets.run_state import LIVE, RESUMABLE

BINDINGS: list[BindingType] = [
    Binding("escape", "back", "Back", id="run.back", tooltip="The run goes on"),
    *run_actions.BINDINGS,
    Binding("l", "chart('scale')", "Log scale", id="run.log_scale", tooltip="Of the loss"),
    Binding("plus,equals_sign", "chart('in')", "Zoom in", id="run.zoom_in", tooltip="Fewer steps"),
    Binding("minus", "chart('out')", "Zoom out", id="run.zoom_out", tooltip="More steps"),
    Binding("0", "chart('whole')", "Whole curve", id="run.whole", tooltip="Every step"),
    Binding("o", "overlay", "Overlay a run", id="run.overlay", tooltip="Below this one's curve"),
    Binding("1", "panel(0)", "Loss and devices", id="run.loss"),
    Binding("2", "panel(1)", "Phases and notices", id="run.phases"),
    Binding("3", "panel(2)", "Log", id="run.log"),
    Binding("4", "panel(3)", "Samples and result", id="run.outcome"),
    Binding("5", "panel(4)", "Where the time goes", id="run.time"),
    Binding("tab", "turn_panel(1)", "Next panel", id="run.next"),
    Binding("shift+tab", "turn_panel(-1)", "Panel before", show=False),
    Binding("left", "cursor(-1)", "Values at an earlier step", id="run.earlier"),
    Binding("right", "cursor(1)", "Values at a later step", id="run.later"),
    Binding("shift+left", "cursor(-10)", "Ten columns earlier", show=False),
    Binding("shift+right", "cursor(10)", "Ten columns later", show=False),
    Binding("down,j", "move(1)", "Down in log or result", id="run.down"),
    Binding("up,k", "move(-1)", "Up in log or result", id="run.up"),
    Binding("pagedown,ctrl+d", "page(1)", "Page down in log or sample", id="run.page_down"),
    Binding("pageup,ctrl+u", "page(-1)", "Page up in log or sample", id="run.page_up"),
    Binding("g,home", "log_end(True)", "Oldest line of the log", show=False),
    Binding("G,end", "log_end(False)", "Newest line of the log", show=False),
    Binding("right_square_bracket", "turn_sample(1)", "Next sample", id="run.sample"),
    Binding("left_square_bracket", "turn_sample(-1)", "Sample before", show=False),
    Binding("y", "copy", "Copy", id="run.copy", tooltip="What is open; also over SSH"),
    Binding("Y", "copy_menu", "Copy …", id="run.copy_menu", tooltip="Id, paths, commands"),
]


def hints_for(state: str | None, opened: int) -> Sequence[tuple[str, str]]:
    """Return the keys for the last line, most important first."""
    hints: list[tuple[str, str]] = []
    if state in RESUMABLE:
        hints += [("R", "resume")]
    elif state in LIVE:
        hints += [("q", "leave, the run goes on"), ("s", "stop")]
    elif state == "finished":
        hints += [("n", "new run"), ("f", "like this")]
    if opened == OUTCOME:
        hints.append(("[ ]", "prompts"))
    elif opened == OVERVIEW:
        hints.append(("+ -", "zoom"))
    hints += [("y", "copy"), ("esc", "back"), ("?", "help")]
    hints += (
        [("left right", "values"), ("l", "log"), ("o", "overlay")] if opened == OVERVIEW else []
    )
    hints += [("P", "pause"), ("S", "save")] if state == "running" else []
    hints.append(("tab 1-5", "panels"))
    return hints
