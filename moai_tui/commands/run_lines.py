"""A run as plain lines: what `train` and `resume` print while they follow one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moai_tui.commands.output import write_line, write_pairs
from moai_tui.formatting import (
    bytes_text,
    download_text,
    duration_text,
    eta_text,
    loss_text,
    rate_text,
    whole_text,
)
from trainer_core.foreign_text import show_line
from trainer_core.run.record.events import (
    AnyEvent,
    CheckpointSaved,
    Eval,
    MemoryProbed,
    ModelSaved,
    Notice,
    Phase,
    Queued,
    RankDied,
    RequestAnswered,
    Restarted,
    RunStarted,
    Step,
)
from trainer_core.run.record.summary import RunSummary
from trainer_core.run.record.view import RunView

STEP_LINE_SECONDS = 3.0
"""Between two lines of steps: a log of a day stays readable."""


class RunLines:
    """Prints events as they come, steps now and then.

    What happened before `since` (Unix time) is folded in without a line: an attached or resumed
    run begins with its present.
    """

    def __init__(self, since: float = 0.0) -> None:
        self.view = RunView()
        self._since = since
        self._step: Step | None = None
        """Newest step that has no line yet."""
        self._last_line = 0.0
        self._phase = ""

    def event(self, event: AnyEvent) -> None:
        """Take one event, printing what is worth a line."""
        self.view.apply(event)
        if event.time < self._since:
            return
        if isinstance(event, Step):
            self._step = event
            if event.step == 1 or (
                self.view.started and event.step == self.view.started.total_steps
            ):
                self._step_line()
            return
        text = self._text(event)
        if text:
            if isinstance(event, Eval | CheckpointSaved | ModelSaved):
                self._step_line()
            write_line(text)

    def tick(self) -> None:
        """Print the newest step, or how far a download is, when the last line is old enough."""
        if time.monotonic() - self._last_line < STEP_LINE_SECONDS:
            return
        self._step_line()
        now = self.view.phase
        if now is not None and now.name == "downloading" and now.done:
            self._last_line = time.monotonic()
            far = download_text(now.done, now.total, time.time() - now.started)
            write_line(f"Downloading: {far}")

    def _step_line(self) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        self._last_line = time.monotonic()
        total = self.view.started.total_steps if self.view.started else None
        place = f"{step.step}/{total}" if total else str(step.step)
        parts = [f"Step {place}", f"Loss {loss_text(step.train_loss)}"]
        rate = step.tokens_per_second or self.view.mean_tokens_per_second
        if rate is not None:
            parts.append(rate_text(rate, "tokens"))
        if self.view.eta_seconds is not None and step.step != total:
            parts.append(f"ETA {eta_text(self.view.eta_seconds)}")
        write_line(" | ".join(parts))

    def _text(self, event: AnyEvent) -> str:  # noqa: PLR0911 - one sentence for each type
        match event:
            case Phase():
                return self._phase_text(event)
            case RunStarted():
                return _start_text(event)
            case MemoryProbed():
                return _memory_text(event)
            case Eval():
                bits = f" | {event.bits_per_byte:.3f} bits per byte" if event.bits_per_byte else ""
                return f"Step {event.step} | Eval loss {loss_text(event.eval_loss)}{bits}"
            case CheckpointSaved():
                return f"Step {event.step} | Checkpoint saved ({bytes_text(event.bytes)})"
            case ModelSaved():
                return f"Step {event.step} | Model saved ({bytes_text(event.bytes)})"
            case Notice():
                fix = f" {event.fix}" if event.fix else ""
                level = "" if event.level == "info" else f"{event.level.capitalize()}: "
                return show_line(f"{level}{event.text}{fix}", 500)
            case Queued():
                return show_line(f"Queued: {event.waits_for}", 500)
            case RankDied():
                return show_line(f"Rank {event.rank} died: {event.cause}", 500)
            case Restarted():
                at = f"step {event.from_step}" if event.from_step is not None else "the start"
                return f"The run goes on from {at}."
            case RequestAnswered():
                return answer_text(event)
            case _:
                return ""

    def _phase_text(self, event: Phase) -> str:
        if event.name == self._phase or event.name in ("training", "saving", "evaluating"):
            self._phase = event.name
            return ""
        self._phase = event.name
        detail = f" ({show_line(event.detail, 200)})" if event.detail else ""
        return f"{event.name.capitalize()}{detail} …"


def _memory_text(event: MemoryProbed) -> str:
    """Return measured against predicted: the plan's promise is tried before step 1."""
    if event.probed_memory_bytes is None:
        return ""
    text = f"Memory: {bytes_text(event.probed_memory_bytes)} on the longest micro-batch"
    if event.predicted_memory_bytes is not None:
        text += f" ({bytes_text(event.predicted_memory_bytes)} predicted)"
    return text


_VERBS = {
    "stop": "stops",
    "save": "saves a checkpoint",
    "pause": "pauses",
    "set": "goes on with another learning rate",
    "extend": "goes on for longer",
}


def answer_text(answer: RequestAnswered) -> str:
    """Return one sentence about what a run did with a request."""
    at = f" at step {answer.step}" if answer.step is not None else ""
    said = f": {show_line(answer.text, 300)}" if answer.text else ""
    verb = _VERBS.get(answer.action, answer.action)
    for name, value in answer.settled.items():
        said += f": {show_line(name, 60).replace('_', ' ')} {show_line(str(value), 60)}"
    return f"The run {verb}{at}{said}." if answer.ok else f"Not done ({answer.action}){at}{said}."


def change_text(before: Any, after: Any, text: Callable[[Any], str]) -> str:
    """Return a number then and now; one number while there is only one, nothing without any."""
    if after is None:
        return ""
    return text(after) if before in (None, after) else f"{text(before)} → {text(after)}"


def write_end(summary: RunSummary) -> None:
    """Print how a run ended: state, losses, speed, where the model lies."""
    evals = change_text(summary.first_eval_loss, summary.eval_loss, loss_text)
    bits = change_text(summary.first_bits_per_byte, summary.bits_per_byte, "{:.2f}".format)
    if bits:
        evals += f" ({bits} bits per byte)"
    run = show_line(summary.name or summary.id, 64)
    seconds = summary.elapsed_seconds
    rate = summary.tokens_per_second
    reason = show_line(summary.exit_reason, 500) if summary.exit_reason else ""
    write_line()
    write_pairs(
        [
            ("Run", run_label(summary)),
            ("State", f"{summary.state}{': ' if reason else ''}{reason}"),
            ("Steps", _steps(summary)),
            ("Eval loss", evals),
            ("Speed", rate_text(rate, "tokens") if rate else ""),
            (
                "Peak memory",
                bytes_text(summary.peak_memory_bytes) if summary.peak_memory_bytes else "",
            ),
            ("Time", duration_text(seconds) if seconds is not None else ""),
            ("Model", show_line(summary.model_path, 500) if summary.model_path else ""),
            ("Try it", f"moai-tui generate {run}" if summary.model_path else ""),
            ("Go on", f"moai-tui resume {run}" if summary.state in ("stopped", "lost") else ""),
            ("Repeat", f"moai-tui train {show_line(summary.path, 500)}/config.yaml"),
        ]
    )


def run_label(summary: RunSummary) -> str:
    """Return name and id of a run, or the id alone."""
    return f"{show_line(summary.name, 64)} ({summary.id})" if summary.name else summary.id


def _steps(summary: RunSummary) -> str:
    if summary.step is None:
        return ""
    return f"{summary.step}/{summary.total_steps}" if summary.total_steps else str(summary.step)


def _start_text(event: RunStarted) -> str:
    model, dataset = show_line(event.model, 100), show_line(event.dataset, 100)
    lines = [
        f"{model} on {dataset}: {whole_text(event.parameters)} parameters, "
        f"{whole_text(event.train_rows)} rows, {event.total_steps} steps",
        f"Plan: {show_line(event.plan, 200)}" if event.plan else "",
    ]
    if event.resumed_from_step is not None:
        lines.append(f"Resumed from step {event.resumed_from_step}")
    return "\n".join(line for line in lines if line)
