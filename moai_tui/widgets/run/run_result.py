"""How a run ended: what it reached, where the model lies, what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from textual.reactive import reactive

from moai_tui.formatting import UNKNOWN, bytes_text, duration_text, number_of, rate_text, whole_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit
from moai_tui.widgets.painted import cut, heading
from moai_tui.widgets.run.phase_list import wrap
from moai_tui.widgets.run.run_status import FactsPanel, RunFacts
from moai_tui.widgets.run_state import RESUMABLE
from trainer_core.foreign_text import show_line

NAME_WIDTH = 15
CAUSE_ROWS = 3
TRY_PROMPT = "Return the sum of a list of numbers."
"""A prompt to begin with; the user writes their own over it."""
LOG_ROWS = 8


@dataclass(frozen=True, slots=True)
class Copyable:
    """One thing a user would otherwise retype."""

    name: str
    text: str
    what: str
    """How the toast calls it: "Copied the path of the model."."""


class RunResult(FactsPanel):
    """The end of a run; up and down choose a line, the screen copies `chosen`."""

    number: reactive[int] = reactive(0, init=False, repaint=False)
    """Which copyable line is chosen."""

    @property
    def chosen(self) -> Copyable | None:
        """What `y` copies."""
        items = copyables(self._facts) if self._facts is not None else ()
        return items[min(self.number, len(items) - 1)] if items else None

    def watch_number(self) -> None:
        """Mark the other line."""
        self.repaint()

    def choose(self, by: int) -> None:
        """Mark the next line, or an earlier one; it stops at both ends."""
        if self._facts is not None:
            last = len(copyables(self._facts)) - 1
            self.number = min(last, max(0, self.number + by))

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the outcome, then the lines to copy."""
        if self._facts is None:
            return []
        facts, run = self._facts, self._facts.summary
        title = {"finished": "Result", "stopped": "Result", "failed": "What went wrong",
                 "lost": "What went wrong"}.get(run.state, "So far")  # fmt: skip
        lines: list[Line] = [heading(title, _ending(facts), width, self._signs.rule)]
        items = self._items(facts, width)
        room = height - len(items) - 1
        if run.state in {"failed", "lost"}:
            lines += _cause(facts, width, room)
        else:
            lines += _reached(facts, width, self._signs)[:room]
        return [*lines, *items][:height]

    def _items(self, facts: RunFacts, width: int) -> list[Line]:
        lines: list[Line] = []
        items = copyables(facts)
        for number, item in enumerate(items):
            chosen = number == min(self.number, len(items) - 1)
            sign = self._signs.chosen if chosen else " "
            text = cut(show_line(item.text), max(4, width - NAME_WIDTH - 2))
            style = "strong" if chosen else ""
            lines.append(((f"{sign} ", "accent"), (fit(item.name, NAME_WIDTH), "muted"),
                          (text, style)))  # fmt: skip
        return lines


def copyables(facts: RunFacts) -> tuple[Copyable, ...]:
    """Return what can be copied of a run as it stands, most wanted first."""
    run = facts.summary
    name = shlex.quote(show_line(run.name or run.id))
    config = shlex.quote(f"{run.path}/config.yaml")
    items: list[Copyable] = []
    if run.state in RESUMABLE:
        items.append(Copyable("go on (R)", f"moai-tui resume {name}", "the command to go on"))
    if run.model_path is not None:
        items.append(Copyable("model", run.model_path, "the path of the model"))
        command = f"moai-tui generate {name} --prompt {shlex.quote(TRY_PROMPT)}"
        items.append(Copyable("try it", command, "the command to generate"))
    items.append(Copyable("repeat", f"moai-tui train {config}", "the command that repeats the run"))
    if run.state in {"failed", "lost"}:
        items.append(Copyable("log", f"{run.path}/logs/rank-0.log", "the path of the log"))
    return tuple(items)


def all_copyables(facts: RunFacts) -> tuple[Copyable, ...]:
    """Return everything of a run one would otherwise retype, whatever its state."""
    run = facts.summary
    attach = Copyable("open it", f"moai-tui attach {run.id}", "the command that opens this run")
    events = f"moai-tui events {run.id} --follow"
    return (
        attach,
        *copyables(facts),
        Copyable("id", run.id, "the run's id"),
        Copyable("folder", run.path, "the path of the run folder"),
        Copyable("events", events, "the command that prints its events"),
    )


def _ending(facts: RunFacts) -> Line:
    run = facts.summary
    pieces: list[Piece] = []
    if run.step is not None:
        pieces += [("step ", "muted"), (whole_text(run.step), "")]
    if facts.elapsed_seconds is not None:
        pieces += [("  after " if pieces else "after ", "muted")]
        pieces += [(duration_text(facts.elapsed_seconds), "")]
    return pieces


def _reached(facts: RunFacts, width: int, signs: Glyphs) -> list[Line]:
    run = facts.summary
    if len(facts.view.evals) == 1:  # ended before the loss was measured a second time
        loss = number_of(run.eval_loss)
        text = UNKNOWN if loss is None else f"{loss:.4f} before training, not measured since"
        return [_fact("eval loss", text)]
    lines = [
        _change("eval loss", run.first_eval_loss, run.eval_loss, 4, signs),
        _change("bits per byte", run.first_bits_per_byte, run.bits_per_byte, 3, signs),
    ]
    if run.tokens_per_second is not None:
        lines.append(_fact("speed", rate_text(run.tokens_per_second)))
    if run.peak_memory_bytes is not None:
        peak = bytes_text(run.peak_memory_bytes)
        if run.predicted_memory_bytes is not None:
            peak += f" (predicted {bytes_text(run.predicted_memory_bytes)})"
        lines.append(_fact("peak memory", peak))
    return [line for line in lines if line]


def _change(name: str, first: object, last: object, digits: int, signs: Glyphs) -> Line:
    """Draw `eval loss  4.3121 → 2.3187  −46%`; nothing when the newest is unknown."""
    start, end = number_of(first), number_of(last)
    if end is None:
        return ()
    pieces: list[Piece] = [("  ", ""), (fit(name, NAME_WIDTH), "muted")]
    if start is None:
        return (*pieces, (f"{end:.{digits}f}", "strong"))
    pieces.append((f"{start:.{digits}f} {signs.arrow} ", "muted"))
    pieces.append((f"{end:.{digits}f}", "strong"))
    if start > 0:
        share = 100 * (end - start) / start
        sign = "−" if share < 0 else "+"
        pieces.append((f"  {sign}{abs(share):.0f}%", "good" if share < 0 else "warn"))
    return pieces


def _fact(name: str, text: str) -> Line:
    return (("  ", ""), (fit(name, NAME_WIDTH), "muted"), (text, ""))


def _cause(facts: RunFacts, width: int, room: int) -> list[Line]:
    """Draw the cause in words, what to do, and the last words of the log."""
    run, ended = facts.summary, facts.view.training_ended
    cause = run.exit_reason or (ended.error if ended else None) or facts.view.state_reason
    if cause is None:
        cause = "The run has no supervisor and left no exit record: it was killed or the host died."
    lines: list[Line] = [((f"  {part}", "bad"),) for part in wrap(cause, width - 2)[:CAUSE_ROWS]]
    fix = ended.fix if ended and ended.fix else _way_out(facts)
    lines += [((f"  {part}", ""),) for part in wrap(fix, width - 2)[:CAUSE_ROWS]]
    if ended and ended.change:
        lines.append((("  f", "key"), (" opens the form with this change made", "")))
    rows = min(LOG_ROWS, room - len(lines) - 2)
    if rows > 0 and facts.log_lines:
        lines.append(())
        tail = facts.log_lines[-rows:]
        lines += [((cut(f"  {show_line(text)}", width), "muted"),) for text in tail]
        lines.append(())
    return lines[:room]


def _way_out(facts: RunFacts) -> str:
    step = facts.summary.last_checkpoint_step
    if step is None:
        return "No checkpoint was saved yet: R starts it again from step 0."
    return f"R goes on from the checkpoint of step {step:,}."
