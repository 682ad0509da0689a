"""What the run would take: peak memory against what there is, plan, speed, time, and why."""

from __future__ import annotations

from collections.abc import Sequence

from moai_tui.formatting import bytes_text, duration_text, rate_text
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.size_picker import MARKS
from moai_tui.widgets.form.state_panel import StatePanel, heading, wrapped
from moai_tui.widgets.lines import Line, Piece
from trainer_core.plan.types import MemorySplit, Plan, SizeVerdict, Verdict

STYLES = {"fits": "good", "tight": "warn", "no": "bad", "cannot be formed": "muted"}
PARTS = (
    ("weights", "weights"),
    ("gradients", "gradients"),
    ("optimizer", "optimizer"),
    ("activations", "activations"),
    ("logits", "logits"),
    ("communication", "communication"),
    ("runtime", "runtime"),
)
"""Fields of `MemorySplit` and their words, in the order of the list."""

ROOMY_LINES = 16
"""From this height on the split is a list with bars, below it one line."""


def verdict_lines(state: FormState, width: int, height: int) -> list[Line]:
    """Return the verdict in the room there is, most important first."""
    lines: list[Line] = []
    for field, sentence in state.problems.items():
        lines += wrapped(f"{field}: {sentence}" if field else sentence, width, "bad", "✗ ")
    verdict = state.verdict
    if verdict is None:
        return lines or [(("predicting …", "muted"),)]
    choice = verdict.choice
    if mend := mend_of(verdict):
        lines.append((("ctrl+g", "key"), (f" set {mend[0]} to {mend[1]}, which fits", "")))
    if choice is None or choice.plan is None:
        return lines or wrapped(verdict.reason, width, "bad", "✗ ")
    facts = (verdict, choice, choice.plan, state.notes)
    whole = lines + _plan_lines(*facts, width, roomy=True)
    if height < ROOMY_LINES or len(whole) > height:
        whole = lines + _plan_lines(*facts, width, roomy=False)
    return whole if len(whole) <= height else _ending_in_dots(whole[:height], width)


def _plan_lines(
    verdict: Verdict,
    choice: SizeVerdict,
    plan: Plan,
    notes: Sequence[str],
    width: int,
    *,
    roomy: bool,
) -> list[Line]:
    """Return the plan, its memory as a list with bars or in a line, why, and the notes."""
    total = verdict.memory_bytes
    lines = [_peak(choice, plan, total), _bar(choice, plan, total, width)]
    blank: list[Line] = [()] if roomy else []
    lines += [*blank, _speed(plan)]
    lines += wrapped(plan.line, width)
    split = plan.memory
    lines += _split_list(split, width) if roomy else wrapped(_split_line(split), width, "muted")
    lines += blank + wrapped(choice.why or verdict.reason, width, "muted")
    if choice.why and verdict.reason:
        lines += wrapped(verdict.reason, width, "muted")
    if verdict.runner_up is not None:
        cost = f": {verdict.runner_up_cost}" if verdict.runner_up_cost else ""
        lines += wrapped(f"next best {verdict.runner_up.size}{cost}", width, "muted")
    if verdict.next_better:
        lines += wrapped(verdict.next_better, width, "muted")
    for note in (*verdict.notes, *notes):
        lines += wrapped(note, width, "warn", "! ")
    return lines


def _ending_in_dots(lines: list[Line], width: int) -> list[Line]:
    """Show that the last sentence goes on, unless it ends here."""
    if not lines or not lines[-1] or lines[-1][-1][0].endswith("."):
        return lines
    *before, (text, style) = lines[-1]
    room = width - 2 - sum(len(piece) for piece, _ in before)
    kept = text if len(text) <= room else text[:room].rsplit(" ", 1)[0]
    return [*lines[:-1], (*before, (f"{kept} …", style))]


def mend_of(verdict: Verdict | None) -> tuple[str, str] | None:
    """Return field and text of the change that would fit, where the size does not."""
    choice = verdict.choice if verdict is not None else None
    return choice.mend if choice is not None and choice.verdict == "no" else None


def _peak(choice: SizeVerdict, plan: Plan, total: int | None) -> Line:
    of = f" of {bytes_text(total)}" if total else ""
    each = " on each device" if choice.devices > 1 else ""
    word = f"{MARKS[choice.verdict]} {choice.verdict}"
    peak = bytes_text(plan.memory.total)
    return (
        (choice.size, "strong"),
        ("  ", ""),
        (word, f"{STYLES[choice.verdict]} strong"),
        (f"  peak {peak}{of}{each}", ""),
    )


def _bar(choice: SizeVerdict, plan: Plan, total: int | None, width: int) -> Line:
    if not total:
        return ()
    share = plan.memory.total / total
    filled = min(width, max(1, round(share * width)))
    return (("━" * filled, STYLES[choice.verdict]), ("━" * (width - filled), "faint"))


def _split_line(split: MemorySplit) -> str:
    parts = [(word, getattr(split, name)) for name, word in PARTS]
    return " · ".join(f"{word} {bytes_text(size)}" for word, size in parts if size)


def _split_list(split: MemorySplit, width: int) -> list[Line]:
    lines: list[Line] = [()]
    room = max(4, width - 28)
    for name, word in PARTS:
        size = getattr(split, name)
        if not size:
            continue
        bar = "━" * max(1, round(room * size / split.total))
        pieces: list[Piece] = [
            (f"{word:<15}", "muted"),
            (f"{bytes_text(size):>10}", ""),
            ("  ", ""),
            (bar, "accent"),
        ]
        lines.append(tuple(pieces))
    return lines


def _speed(plan: Plan) -> Line:
    pieces: list[Piece] = [(rate_text(plan.tokens_per_second, "tokens"), "strong")]
    if plan.seconds is not None:
        pieces.append((f"  about {duration_text(plan.seconds)} of training", ""))
    return tuple(pieces)


class VerdictPanel(StatePanel):
    """The verdict under its heading."""

    def lines_of(self, state: FormState, width: int, height: int) -> Sequence[Line]:
        """Heading and verdict."""
        return [heading("Verdict", width), *verdict_lines(state, width, height - 1)]
