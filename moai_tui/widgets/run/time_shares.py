"""Where the time goes: what each step spends it on, and what evaluations and saves take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moai_tui.formatting import duration_text, percent_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from moai_tui.widgets.painted import heading
from moai_tui.widgets.run.run_status import FactsPanel, RunFacts, end_of, progress_bar
from trainer_core.run.record.remaining import Remaining, remaining
from trainer_core.run.record.view import RunView

NAME_WIDTH = 14
SHARE_WIDTH = 5
TIME_WIDTH = 9
BAR_WIDTH = (6, 40)


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One use of time."""

    name: str
    seconds: float | None
    """None where it is not measured."""


class TimeShares(FactsPanel):
    """Shares of the time since step 1, and what is still to come."""

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the shares, then the time left."""
        if self._facts is None:
            return []
        shares = time_shares(self._facts.view)
        total = sum(share.seconds or 0.0 for share in shares)
        if total <= 0:
            return [heading("Time", (), width, self._signs.rule),
                    (("told from step 2 on", "muted"),)]  # fmt: skip
        whole: Line = ((duration_text(total), ""), (" measured", "muted"))
        lines: list[Line] = [heading("Time", whole, width, self._signs.rule)]
        lines += [self._row(share, total, width) for share in shares]
        left = remaining(self._facts.view)
        if left is not None and self._facts.live:
            lines += [(), *_left_lines(left, self._facts, width, self._signs)]
        return lines[:height]

    def _row(self, share: Share, total: float, width: int) -> Line:
        name: Piece = (fit(share.name, NAME_WIDTH), "muted")
        if share.seconds is None:
            return (name, ("not measured", "faint"))
        part = share.seconds / total
        left: list[Piece] = [name, (percent_text(100 * part).rjust(SHARE_WIDTH), "strong")]
        right: Piece = (duration_text(share.seconds).rjust(TIME_WIDTH), "muted")
        bar = min(BAR_WIDTH[1], width - line_width(left) - TIME_WIDTH - 2)
        if bar < BAR_WIDTH[0]:
            return (*left, right)
        return (*left, ("  ", ""), *progress_bar(part, bar, self._signs, "low"), right)


def time_shares(view: RunView) -> tuple[Share, ...]:
    """Return what this attempt's time went to since its first step, largest uses first by nature.

    Where not every step is logged, the logged ones stand for the rest.
    """
    started, step = view.started, view.step
    if started is None or step is None or not view.steps_seen:
        return ()
    taken = step.step - (started.resumed_from_step or 0) - 1
    scale = max(1.0, taken / view.steps_seen)
    exchange = view.communication_seconds
    compute = view.steps_seconds - view.data_seconds - (exchange or 0.0)
    many = started.world_size > 1
    shares = [
        Share(name="compute", seconds=scale * max(0.0, compute)),
        Share(name="data wait", seconds=scale * view.data_seconds),
    ]
    if many:
        waited = None if exchange is None else scale * exchange
        shares.append(Share(name="communication", seconds=waited))
    first = (started.resumed_from_step or 0) + 1
    evals = sum(e.seconds for e in view.evals if e.attempt == view.attempt and e.step >= first)
    saves = sum(s.seconds for s in view.checkpoints if s.attempt == view.attempt)
    if view.model is not None and view.model.attempt == view.attempt:
        saves += view.model.seconds
    return (
        *shares,
        Share(name="evaluating", seconds=evals),
        Share(name="saving", seconds=saves),
    )


def _left_lines(left: Remaining, facts: RunFacts, width: int, signs: Glyphs) -> list[Line]:
    """Draw the time left and what it is made of."""
    word, when = end_of(facts, facts.eta_seconds or left.seconds)
    until: Line = ((f"{word} ", "muted"), (when, ""))
    lines: list[Line] = [heading("Still to come", until, width, signs.rule)]
    for count, word, each in (
        (left.steps, "step", left.step_seconds),
        (left.evaluations, "evaluation", left.evaluation_seconds),
        (left.saves, "save", left.save_seconds),
    ):
        if count and each > 0:
            what = f"{count:,} {word}{'s' if count != 1 else ''}"
            parts = (
                (fit(what, NAME_WIDTH + 6), "muted"),
                (f"{_each_text(each)} each".ljust(14), "muted"),
                (duration_text(count * each).rjust(TIME_WIDTH), ""),
            )
            lines.append(parts)
    if left.sampling_seconds > 0:
        lines.append(((fit("samples", NAME_WIDTH + 20), "muted"),
                      (duration_text(left.sampling_seconds).rjust(TIME_WIDTH), "")))  # fmt: skip
    return lines


def _each_text(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration_text(seconds)
