"""What `pause`, `save`, `set` and `extend` have in common: ask a living run, tell its answer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.run_lines import answer_text
from trainer_core.errors import UserError
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.control import Action, send_request, wait_for_answer
from trainer_core.run.record.directory import RunDirectory, find_run
from trainer_core.run.record.events import RequestAnswered

ANSWER_SECONDS = 3600.0
"""A step may be long, and the supervisor ends a rank that is stuck; its word comes first."""

Json = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


def living_run(text: str, doing: str) -> RunDirectory:
    """Return the run that a name means, if it lives.

    Args:
        text: Name, id or its unique beginning.
        doing: What cannot be done with a run that does not live, e.g. `pause`.

    Raises:
        UserError: There is no such run, or no supervisor of it.
    """
    directory = find_run(text)
    if liveness(directory) == "dead":
        state = summarize(directory).state
        raise UserError(f"run {directory.id} is not running (it is {state}); nothing to {doing}")
    return directory


def asked(directory: RunDirectory, action: Action, **arguments: Any) -> RequestAnswered:
    """Ask a run and wait for its answer.

    Raises:
        UserError: It gave none: its supervisor is gone.
    """
    request = send_request(directory.path, action, **arguments)
    answer = wait_for_answer(
        directory.path, request, ANSWER_SECONDS, gone=lambda: liveness(directory) == "dead"
    )
    if answer is None:
        state = summarize(directory).state
        raise UserError(f"run {directory.id} gave no answer; it is {state}")
    return answer


def tell(answer: RequestAnswered, *, json: bool) -> int:
    """Print an answer; returns the exit code, 1 where the run would not."""
    if json:
        write_json(
            {
                "action": answer.action,
                "ok": answer.ok,
                "step": answer.step,
                "text": answer.text,
                **answer.settled,
            }
        )
    else:
        write_line(answer_text(answer))
    return 0 if answer.ok else 1
