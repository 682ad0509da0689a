"""How a run's state is told: a symbol, a word and a colour, never colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moai_tui.widgets.lines import Piece

if TYPE_CHECKING:
    from trainer_core.run.record.summary import RunSummary

SYMBOLS: dict[str, tuple[str, str]] = {
    "queued": ("◌", "muted"),
    "starting": ("◔", "accent"),
    "running": ("●", "good"),
    "pausing": ("◑", "accent"),
    "paused": ("‖", "accent"),
    "stopping": ("◑", "accent"),
    "stopped": ("■", "muted"),
    "finished": ("✓", "good"),
    "failed": ("✗", "bad"),
    "lost": ("?", "warn"),
    "stalled": ("▲", "warn"),
}
"""State → symbol and style."""

LIVE = frozenset({"queued", "starting", "running", "pausing", "paused", "stopping"})
"""States of a run that still has a supervisor."""

RESUMABLE = frozenset({"stopped", "failed", "lost", "paused"})
"""States from which `R` goes on."""


def state_word(run: RunSummary) -> str:
    """Return the word to show: the state, or `stalled` beside `running`."""
    return "stalled" if run.stalled is not None and run.state == "running" else run.state


def stop_detail(state: str | None) -> str:
    """Return what stopping does to a run in this state, for the question before it."""
    if state == "queued":
        return "It has not begun: nothing is lost. R queues it again."
    if state == "starting":
        return "It has not taken a step yet. R starts it again."
    return "It saves a checkpoint and the model first. R goes on from there."


def state_piece(run: RunSummary) -> Piece:
    """Return symbol and word, e.g. `● running`."""
    word = state_word(run)
    symbol, style = SYMBOLS.get(word, ("·", "muted"))
    return f"{symbol} {word}", style
