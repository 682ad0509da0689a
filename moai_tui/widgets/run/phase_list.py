"""Every phase before step 1 with its time, so that a silence has a name; then the notices."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from moai_tui.formatting import byte_rate_text, bytes_text, duration_text, whole_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from moai_tui.widgets.painted import cut, heading
from moai_tui.widgets.run.run_status import FactsPanel, RunFacts, progress_bar, waiting_text
from trainer_core.foreign_text import show_line
from trainer_core.run.record.events import Notice
from trainer_core.run.record.view import PhaseRecord

NAME_WIDTH = 15
TIME_WIDTH = 9
BAR_WIDTH = (6, 24)

NOTICE_STYLES = {"info": "accent", "warning": "warn", "error": "bad"}


class PhaseList(FactsPanel):
    """Phases, finished ones with their seconds and the present one live; notices below."""

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        notices: bool = True,
        signs: Glyphs | None = None,
    ) -> None:
        """Make an empty list.

        Args:
            id: Name in the screen.
            classes: Classes for styles.
            notices: Whether notices and the core's choices stand below the phases.
            signs: What to draw with; None takes what the terminal can show.
        """
        super().__init__(id=id, classes=classes, signs=signs)
        self._with_notices = notices

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw phases, then notices newest first, then what the core chose."""
        if self._facts is None:
            return []
        facts, signs = self._facts, self._signs
        lines: list[Line] = [heading("Phases", _sum(facts), width, signs.rule)]
        lines += [phase_line(phase, facts, width, signs) for phase in _told(facts.view.phases)]
        now = facts.view.phase
        if now is not None and now.name == "training":
            now = replace(now, name="first step", done=None)
            now = now if facts.view.first_step_time is None else None
        if now is not None and now not in facts.view.phases:
            lines.append(phase_line(now, facts, width, signs))
        if not facts.view.phases and now is None:
            lines += self._before_any_phase(facts, width)
        if self._with_notices:
            lines += self._notices(facts, width)
        return lines[:height]

    def _before_any_phase(self, facts: RunFacts, width: int) -> list[Line]:
        """Say what a run without a phase is at; whom it waits for may need several lines."""
        if facts.summary.state != "queued":
            return [
                (("no phase yet" if facts.live else "it ended before its first phase", "muted"),)
            ]
        lines: list[Line] = [
            ((part, ""),) for part in wrap(f"waits for {waiting_text(facts)}", width)
        ]
        return [*lines, (("it starts by itself as soon as it can", "muted"),)]

    def _notices(self, facts: RunFacts, width: int) -> list[Line]:
        view = facts.view
        lines: list[Line] = []
        if view.notices:
            count = len(view.notices)
            lines += [(), heading("Notices", ((str(count), "muted"),), width, self._signs.rule)]
            for notice in reversed(view.notices):
                lines += notice_lines(notice, width)
        if view.started is not None and (view.started.choices or view.started.plan):
            lines += [(), heading("Chosen for you", (), width, self._signs.rule)]
            for text in (view.started.plan, *view.started.choices):
                lines += [((part, "muted"),) for part in wrap(text, width) if part]
        return lines


def _told(phases: Sequence[PhaseRecord]) -> list[PhaseRecord]:
    """Say what is loaded: first the libraries, and once the rows are there the model."""
    told = []
    after = None
    for phase in phases:
        what = phase.detail
        if phase.name == "loading" and not what:
            what = "the model" if after in {"tokenizing", "checking data"} else "the libraries"
        told.append(replace(phase, detail=what))
        after = phase.name
    return told


def _sum(facts: RunFacts) -> Line:
    view = facts.view
    if view.first_step_time is not None and view.attempt_start_time is not None:
        seconds = view.first_step_time - view.attempt_start_time
        return (("step 1 after ", "muted"), (duration_text(seconds), ""))
    return ()


def phase_line(phase: PhaseRecord, facts: RunFacts, width: int, signs: Glyphs) -> Line:
    """Draw one phase: `✓ tokenizing      12,400 rows             1.2s`."""
    lasts = phase.seconds is None
    seconds = facts.now - phase.started if phase.seconds is None else phase.seconds
    running = lasts and facts.live
    sign, style = (signs.now, "accent") if running else (signs.done, "good")
    if lasts and not facts.live:
        sign, style = signs.cross, "bad"
    name = fit(phase.name, NAME_WIDTH)
    left: list[Piece] = [(f"{sign} ", style), (f"{name} ", "strong" if running else "")]
    time = duration_text(max(0.0, seconds)).rjust(TIME_WIDTH)
    room = width - line_width(left) - TIME_WIDTH - 1
    middle = _progress(phase, max(seconds, 0.0), running, room, signs)
    gap = " " * max(0, room - line_width(middle) + 1)
    return (*left, *middle, (gap, ""), (time, "strong" if running else "muted"))


def _progress(
    phase: PhaseRecord, seconds: float, running: bool, room: int, signs: Glyphs
) -> list[Piece]:
    """How far a phase is: bar, amount, rate and time left, as much as fits."""
    done, total = phase.done, phase.total
    detail = show_line(phase.detail or "", 200)
    if done is None:
        return [(cut(detail, room), "muted")]
    text = _amount(done, phase.unit)
    if running and total:
        text = f"{_amount(done, phase.unit).rsplit(' ', 1)[0]} of {_amount(total, phase.unit)}"
        if phase.unit == "bytes":
            text = f"{bytes_text(done)} of {bytes_text(total)}"
    pieces: list[Piece] = [(text, "muted")]
    if running and seconds > 1 and 0 < done:
        rate = done / seconds
        if phase.unit == "bytes":
            pieces.append((f"  {byte_rate_text(rate)}", "muted"))
        if total and total > done:
            pieces.append((f"  {duration_text((total - done) / rate)} left", ""))
    if detail:
        pieces.append((f"  {detail}", "muted"))
    bar = min(BAR_WIDTH[1], room - line_width(pieces) - 1)
    if running and total and bar >= BAR_WIDTH[0]:
        pieces = [*progress_bar(done / total, bar, signs, "train"), (" ", ""), *pieces]
    return _within(pieces, room)


def _within(pieces: list[Piece], room: int) -> list[Piece]:
    kept: list[Piece] = []
    for text, style in pieces:
        left = room - line_width(kept)
        if left <= 0:
            break
        kept.append((cut(text, left), style))
    return kept


def _amount(count: int, unit: str | None) -> str:
    if unit == "bytes":
        return bytes_text(count)
    return f"{whole_text(count)} {unit}" if unit else whole_text(count)


def notice_lines(notice: Notice, width: int) -> list[Line]:
    """Draw one notice, wrapped, with what to do about it."""
    style = NOTICE_STYLES[notice.level]
    sign = "i " if notice.level == "info" else "! "
    text = notice.text if notice.fix is None else f"{notice.text} {notice.fix}"
    parts = wrap(text, max(8, width - 2)) or [""]
    return [((sign if number == 0 else "  ", style), (part, ""))
            for number, part in enumerate(parts)]  # fmt: skip


def wrap(text: str, width: int) -> list[str]:
    """Break text from outside into lines of at most `width` characters, safe to draw."""
    return textwrap.wrap(show_line(text), max(8, width), break_on_hyphens=False)
