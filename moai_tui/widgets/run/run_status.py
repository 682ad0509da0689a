"""Where a run stands, in three lines: state and what it trains, progress, what to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moai_tui.formatting import clock_text, duration_text, percent_text, whole_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, line_width
from moai_tui.widgets.painted import Painted, cut, spread
from moai_tui.widgets.run_state import LIVE, state_piece
from trainer_core.foreign_text import show_line
from trainer_core.run.record.remaining import remaining
from trainer_core.run.record.summary import RunSummary
from trainer_core.run.record.view import RunView

BAR_WIDTH = (10, 400)
"""Fewest and most cells of the progress bar."""

TINY_PROMISE = "tiny is small: expect code in the form asked for, not code that works."


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that is known of a run at one moment, as widgets are handed it."""

    view: RunView
    summary: RunSummary
    log_lines: tuple[str, ...] = ()
    now: float = 0.0
    """Unix time."""
    received: float = 0.0
    """Unix time at which `summary` came in."""

    @property
    def live(self) -> bool:
        """Whether the run still has a supervisor."""
        return self.summary.state in LIVE

    @property
    def elapsed_seconds(self) -> float | None:
        """Time this run has taken until now; it stands still when the run does."""
        elapsed = self.summary.elapsed_seconds
        if elapsed is None:
            first = self.view.attempt_start_time or self.view.first_time
            return None if first is None or not self.live else max(0.0, self.now - first)
        return elapsed + (max(0.0, self.now - self.received) if self.live else 0.0)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the last step, counted down since the newest event."""
        eta = self.summary.eta_seconds
        eta = self.view.eta_seconds if eta is None else eta
        if eta is None or self.summary.state != "running":
            return None
        return max(0.0, eta - max(0.0, self.now - self.received))


class FactsPanel(Painted):
    """A panel that draws what is known of the run; `show` takes each new state."""

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        signs: Glyphs | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes, signs=signs)
        self._facts: RunFacts | None = None

    def show(self, facts: RunFacts) -> None:
        """Show the run as it stands."""
        self._facts = facts
        self.repaint()


class RunStatus(FactsPanel):
    """Three lines on top of the live screen."""

    DEFAULT_CSS = "RunStatus { height: 3; padding: 0 1; }"

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the three lines."""
        if self._facts is None:
            return [(("reading the run …", "muted"),)]
        facts, signs = self._facts, self._signs
        return [
            _state_line(facts, width, signs),
            progress_line(facts, width, signs),
            _message_line(facts, width),
        ]


def _state_line(facts: RunFacts, width: int, signs: Glyphs) -> Line:
    run = facts.summary
    parts = [run.model, run.dataset, run.method, _size_text(run)]
    joint = f" {signs.separator} "
    what = joint.join(show_line(part, 120) for part in parts if part)
    elapsed = facts.elapsed_seconds
    right = (("elapsed ", "muted"), (duration_text(elapsed), "")) if elapsed is not None else ()
    room = width - line_width((state_piece(run), *right)) - 4
    if len(what) > room and run.size is not None:
        what = what.removesuffix(_devices_text(run))  # the size's name says it too
    left: list[Piece] = [state_piece(run), ("   ", ""), (what, "")]
    return spread(left, right, width)


def _size_text(run: RunSummary) -> str:
    devices = len(run.devices)
    if run.size is None:
        return f"{devices} devices" if devices > 1 else ""
    return f"{run.size}{_devices_text(run)}"


def _devices_text(run: RunSummary) -> str:
    return f" on {len(run.devices)} devices" if len(run.devices) > 1 else ""


def progress_line(facts: RunFacts, width: int, signs: Glyphs) -> Line:
    """Draw `step 412/1,000 ━━━━━━╸───── 41%   done about 17:40, in 12m 05s`."""
    run = facts.summary
    step, total = run.step, run.total_steps
    if not step or not total:
        return _waiting_line(facts, width)
    left: list[Piece] = [("step ", "muted"), (whole_text(step), "strong")]
    left += [(f"/{whole_text(total)} ", "muted")]
    right: list[Piece] = [(f" {percent_text(100 * step / total):>4}", "strong")]
    eta = facts.eta_seconds
    if eta is not None:
        word, when = end_of(facts, eta)
        right += [(f"   {word} ", "muted"), (when, "strong")]
        right += [(f", in {duration_text(eta)}", "muted")]
    room = width - line_width(left) - line_width(right) - 1
    bar = min(max(room, 0), BAR_WIDTH[1])
    if bar < BAR_WIDTH[0]:
        return (*left, *right)
    return (*left, *progress_bar(step / total, bar, signs, _bar_style(run)), *right)


def end_of(facts: RunFacts, eta_seconds: float) -> tuple[str, str]:
    """Return a word and when it is over: a range where it shows, ("done", "17:36–17:41")."""
    left = remaining(facts.view)
    if left is None or left.seconds <= 0:
        return "done about", clock_text(facts.now + eta_seconds, facts.now)
    low, high = (
        clock_text(facts.now + eta_seconds * bound / left.seconds, facts.now)
        for bound in (left.low_seconds, left.high_seconds)
    )
    return ("done about", low) if low == high else ("done", f"{low}–{high}")


def _bar_style(run: RunSummary) -> str:
    return {"finished": "good", "failed": "bad", "lost": "warn", "stopped": "muted"}.get(
        run.state, "train"
    )


def progress_bar(fraction: float, width: int, signs: Glyphs, style: str) -> list[Piece]:
    """Draw a bar of `width` cells, filled to `fraction` (0–1) in steps of half a cell."""
    halves = round(min(1.0, max(0.0, fraction)) * 2 * width)
    full, half = divmod(halves, 2)
    tip = signs.bar_half if half else ""
    rest = width - full - len(tip)
    return [(signs.bar * full + tip, style), (signs.bar_rest * rest, "faint")]


def _waiting_line(facts: RunFacts, width: int) -> Line:
    """Before step 1: what the run does now, so that a silence has a name."""
    run, phase = facts.summary, facts.view.phase
    if run.state == "queued":
        return (("waits for ", "muted"), (cut(waiting_text(facts), width - 10), "accent"))
    if not facts.live:
        return (("ended before step 1", "muted"),)
    if phase is None:
        return (("starting", "accent"), (" before step 1", "muted"))
    seconds = duration_text(max(0.0, facts.now - phase.started))
    if phase.name == "training":
        return (("first step", "accent"), (f" for {seconds}: it warms up", "muted"))
    return ((phase.name, "accent"), (f" before step 1, for {seconds}", "muted"))


def waiting_text(facts: RunFacts) -> str:
    """Return whom a queued run waits for, safe to draw."""
    said = facts.summary.waits_for or facts.view.waits_for or "devices"
    return show_line(said).removeprefix("waits for ")


def _message_line(facts: RunFacts, width: int) -> Line:
    """The one thing worth knowing most: a stall, the cause of an end, a warning, the plan."""
    run, view = facts.summary, facts.view
    if run.stalled is not None and facts.live:
        stall = run.stalled
        text = f"rank {stall.rank} has not moved for {duration_text(stall.seconds)} ({stall.phase})"
        return ((cut(text, width), "warn"),)
    if run.state in {"failed", "lost"}:
        cause = run.exit_reason or view.state_reason or "no exit record and nobody is running it"
        return ((cut(show_line(cause), width), "bad"),)
    serious = [notice for notice in view.notices if notice.level != "info"]
    if serious and facts.live:
        notice = serious[-1]
        return ((cut(f"! {show_line(notice.text)}", width), "warn"),)
    if run.model == "tiny" and facts.live:
        return ((cut(TINY_PROMISE, width), "muted"),)
    plan = run.plan or (view.started.plan if view.started else "")
    return ((cut(show_line(plan or ""), width), "muted"),)
