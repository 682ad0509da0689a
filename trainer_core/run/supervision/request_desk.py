"""The supervisor's end of `control/`: what is handed on to rank 0, what is answered here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from trainer_core.run.record.control import (
    Answer,
    Request,
    accept_request,
    new_request,
    take_answers,
    take_requests,
)
from trainer_core.run.record.events import Event, RequestAnswered

EndingState = Literal["stopped", "paused"]
_ENDINGS: dict[str, EndingState] = {"stop": "stopped", "pause": "paused"}


class RequestDesk:
    """Keeps track of requests from their arrival to their answer."""

    def __init__(
        self,
        run_folder: Path,
        tell: Callable[[Event], None],
        settle: Callable[[dict[str, Any]], None] = lambda _settled: None,
    ) -> None:
        """Make an empty desk.

        Args:
            run_folder: Whose requests.
            tell: Takes the answers as events.
            settle: Writes down what an answer says holds from now on, before it is told.
        """
        self._folder = run_folder
        self._tell = tell
        self._settle = settle
        self._open: dict[str, Request] = {}
        self._handed: set[str] = set()
        self._since: float | None = None
        self._answered = False
        self.ending: EndingState | None = None
        """The state somebody asked the run to end in; a stop goes before a pause."""
        self.reason: str | None = None
        """Who asked for it, where that is known."""
        self.at_once = False
        """Whether somebody asked for the end without waiting for a save."""

    def take(self, request: Request) -> None:
        """Put a request on the desk; also one of the supervisor's own (a signal, the clock)."""
        self._open[request.id] = request
        state = _ENDINGS.get(request.action)
        if state is None:
            return
        self.at_once |= request.arguments.get("now") is True
        if self._since is None:
            self._since = time.monotonic()
            self.reason = str(request.arguments.get("because") or f"{request.action} requested")
        if self.ending != "stopped":
            self.ending = state

    def ask(self, action: Literal["stop"], because: str) -> None:
        """Ask in the supervisor's own name."""
        self.take(new_request(action, {"because": because}))

    def tick(self, step: int | None, *, has_ranks: bool) -> None:
        """Take up new requests and pass answers on.

        Args:
            step: Optimizer steps done so far.
            has_ranks: False while the run waits: then everything is answered here.
        """
        for request in take_requests(self._folder):
            self.take(request)
        for request in list(self._open.values()):
            self._move(request, step, has_ranks=has_ranks)
        for answer in take_answers(self._folder):
            self._answer(answer)

    def silent_seconds(self) -> float:
        """Return how long the wish to end has waited for an answer; 0 once it has one."""
        if self._since is None or self._answered:
            return 0.0
        return time.monotonic() - self._since

    def close(self, step: int | None) -> None:
        """Answer whatever is left when the run has ended."""
        self.tick(step, has_ranks=False)

    def _move(self, request: Request, step: int | None, *, has_ranks: bool) -> None:
        if has_ranks:
            if request.id not in self._handed:
                self._handed.add(request.id)
                accept_request(self._folder, request)
            return
        ends = request.action in _ENDINGS
        text = "" if ends else f"no rank is running, so it cannot {request.action} anything"
        self._answer(Answer(id=request.id, action=request.action, ok=ends, step=step, text=text))

    def _answer(self, answer: Answer) -> None:
        self._open.pop(answer.id, None)
        self._answered = self._answered or answer.action in _ENDINGS
        if answer.ok and answer.settled:
            self._settle(answer.settled)
        self._tell(
            RequestAnswered(
                request_id=answer.id,
                action=answer.action,
                ok=answer.ok,
                step=answer.step,
                text=answer.text,
                settled=answer.settled,
            )
        )
