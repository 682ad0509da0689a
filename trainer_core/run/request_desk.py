"""The supervisor's end of `control/`: what is handed on to rank 0, what is answered here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from trainer_core.run.control import Request, accept_request, take_answers, take_requests
from trainer_core.run.events import Event, RequestAnswered

HANDED_ON = ("stop", "save")
"""Actions rank 0 of this version knows."""


class RequestDesk:
    """Keeps track of requests from their arrival to their answer."""

    def __init__(self, run_folder: Path, tell: Callable[[Event], None]) -> None:
        self._folder = run_folder
        self._tell = tell
        self._open: dict[str, Request] = {}
        self._handed: set[str] = set()
        self._stop_since: float | None = None
        self._stop_answered = False
        self.stop_reason: str | None = None
        """Who asked for the stop, where that is known."""

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._stop_since is not None

    def take(self, request: Request) -> None:
        """Put a request of the supervisor's own (a signal) on the desk."""
        self._open[request.id] = request
        if request.action == "stop" and self._stop_since is None:
            self._stop_since = time.monotonic()
            signal_name = request.arguments.get("signal")
            self.stop_reason = f"{signal_name} received" if signal_name else "stop requested"

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
            self._answer(answer.id, answer.action, ok=answer.ok, step=answer.step, text=answer.text)

    def silent_seconds(self) -> float:
        """Return how long the wish to stop has waited for an answer; 0 once it has one."""
        if self._stop_since is None or self._stop_answered:
            return 0.0
        return time.monotonic() - self._stop_since

    def close(self, step: int | None) -> None:
        """Answer whatever is left when the run has ended."""
        self.tick(step, has_ranks=False)

    def _move(self, request: Request, step: int | None, *, has_ranks: bool) -> None:
        if request.action not in HANDED_ON:
            text = f"this version cannot {request.action} a run"
            self._answer(request.id, request.action, ok=False, step=step, text=text)
        elif not has_ranks:
            done = request.action == "stop"
            text = (
                "the run had ended" if done else "no rank is running, so there is nothing to save"
            )
            self._answer(request.id, request.action, ok=done, step=step, text=text)
        elif request.id not in self._handed:
            self._handed.add(request.id)
            accept_request(self._folder, request)

    def _answer(
        self, request_id: str, action: str, *, ok: bool, step: int | None, text: str
    ) -> None:
        self._open.pop(request_id, None)
        self._stop_answered = self._stop_answered or action == "stop"
        self._tell(
            RequestAnswered(request_id=request_id, action=action, ok=ok, step=step, text=text)
        )
