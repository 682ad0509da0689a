"""How fast a run learns and how steadily: numbers with their short histories."""

from __future__ import annotations

from collections.abc import Sequence

from moai_tui.formatting import (
    UNKNOWN,
    duration_text,
    fraction_text,
    loss_text,
    whole_text,
)
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from moai_tui.widgets.painted import heading
from moai_tui.widgets.run.history_strip import limits, strip_text
from moai_tui.widgets.run.run_status import FactsPanel, RunFacts
from trainer_core.run.record.curve import Curve

NAME_WIDTH = 14
VALUE_WIDTH = 9
STRIP_WIDTH = (6, 24)


class MetricPanel(FactsPanel):
    """One line a number; what is unknown is an en dash."""

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw as many numbers as there is room for, most wanted first."""
        if self._facts is None:
            return []
        facts, view = self._facts, self._facts.view
        step = view.step
        epoch = UNKNOWN if step is None else f"{step.epoch:.2f}"
        rows: list[Line] = [
            heading("Training", (("epoch ", "muted"), (epoch, "")), width, self._signs.rule),
            self._number("train loss", loss_text(facts.summary.train_loss), width, style="train"),
            self._eval_line(facts, width),
            self._number("tokens/s", _speed(facts), width, view.tokens_per_second, from_zero=True),
            self._number("with padding", _padded(facts), width),
            self._number("MFU", fraction_text(facts.summary.mfu), width, note=_peak_note(facts)),
            self._number("step time", _step_time(facts), width, note=_data_wait(facts)),
            self._number("learning rate", _rate(facts), width, view.learning_rate, from_zero=True),
            self._number("grad norm", loss_text(step.grad_norm if step else None), width,
                         view.grad_norm),
            self._number("tokens seen", _tokens(facts), width),
        ]  # fmt: skip
        return rows[:height]

    def _eval_line(self, facts: RunFacts, width: int) -> Line:
        run = facts.summary
        note = "" if run.bits_per_byte is None else f"{run.bits_per_byte:.2f} bits/byte"
        return self._number("eval loss", loss_text(run.eval_loss), width, style="eval", note=note)

    def _number(
        self,
        name: str,
        value: str,
        width: int,
        curve: Curve | None = None,
        *,
        style: str = "strong",
        note: str = "",
        from_zero: bool = False,
    ) -> Line:
        left: list[Piece] = [(fit(name, NAME_WIDTH), "muted")]
        left.append((fit(value, max(VALUE_WIDTH, len(value))), style))
        room = width - line_width(left) - 1
        if note:
            return (*left, (" ", ""), (note if len(note) <= room else "", "muted"))
        if curve is None or room < STRIP_WIDTH[0]:
            return left
        low, high = (0.0 if from_zero else limits(curve)[0]), limits(curve)[1]
        strip = strip_text(curve, min(room, STRIP_WIDTH[1]), self._signs, low, high)
        return (*left, (" ", ""), (strip, "low"))


def _speed(facts: RunFacts) -> str:
    speed = facts.summary.tokens_per_second
    speed = facts.view.mean_tokens_per_second if speed is None else speed
    return whole_text(None if speed is None else round(speed))


def _padded(facts: RunFacts) -> str:
    speed = facts.summary.padded_tokens_per_second
    speed = facts.view.mean_padded_tokens_per_second if speed is None else speed
    return whole_text(None if speed is None else round(speed))


def _peak_note(facts: RunFacts) -> str:
    started = facts.view.started
    if started is None or started.peak_flops is None:
        return ""
    return f"of {started.peak_flops / 1e12:,.0f} TFLOPS bf16"


def _step_time(facts: RunFacts) -> str:
    step = facts.view.step
    if step is None or not step.step_seconds:
        return UNKNOWN
    seconds = step.step_seconds
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration_text(seconds)


def _data_wait(facts: RunFacts) -> str:
    step = facts.view.step
    if step is None or not step.step_seconds:
        return ""
    return f"{100 * step.data_seconds / step.step_seconds:.0f}% data wait"


def _rate(facts: RunFacts) -> str:
    return UNKNOWN if facts.view.step is None else f"{facts.view.step.learning_rate:.2e}"


def _tokens(facts: RunFacts) -> str:
    started, step = facts.view.started, facts.view.step
    if started is None or step is None:
        return UNKNOWN
    return whole_text(round(step.epoch * started.tokens_per_epoch))
