"""Requests to a run: small files that travel dashboard → supervisor → rank 0 and back.

`control/` holds new requests, which the supervisor takes up; `control/accepted/` those that
rank 0 shall read at its next step border; `control/answered/` what it says to them. The
supervisor writes the answer into its event file, where everybody sees it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from trainer_core.durable import write_whole
from trainer_core.run.record.events import RequestAnswered
from trainer_core.run.record.history import RunHistory

Action = Literal["stop", "save", "pause", "resume", "set", "extend"]

CONTROL = "control"
ACCEPTED = "accepted"
ANSWERED = "answered"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One wish of a person, or of a signal to the supervisor."""

    id: str
    action: Action
    arguments: dict[str, Any] = {}
    time: float = 0.0
    """Unix time of the asking."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What rank 0 did about a request."""

    id: str
    action: str
    ok: bool
    step: int | None = None
    text: str = ""
    settled: dict[str, Any] = {}
    """Numbers that hold from now on, e.g. `learning_rate` or `total_steps`."""


Taken = TypeVar("Taken", Request, Answer)

_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)


def new_request(action: Action, arguments: dict[str, Any] | None = None) -> Request:
    """Return a request with an id of its own."""
    number = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
    return Request(id=number, action=action, arguments=arguments or {}, time=time.time())


def send_request(run_folder: Path, action: Action, **arguments: Any) -> str:
    """Ask a run for something; returns the request's id.

    Raises:
        OSError: When the folder cannot be written.
    """
    request = new_request(action, arguments)
    _put(run_folder / CONTROL, request.id, request)
    return request.id


def wait_for_answer(
    run_folder: Path,
    request_id: str,
    timeout: float,
    gone: Callable[[], bool] = lambda: False,
) -> RequestAnswered | None:
    """Wait until the run's events hold the answer; None after `timeout` seconds.

    Args:
        run_folder: Whose events.
        request_id: As `send_request` returned it.
        timeout: Seconds.
        gone: Asked now and then whether nobody is there any more to answer.
    """
    history = RunHistory(run_folder)
    end = time.monotonic() + timeout
    while True:
        last_look = gone() or time.monotonic() >= end
        history.catch_up()
        for answer in reversed(history.view.answers):
            if answer.request_id == request_id:
                return answer
        if last_look:
            return None
        time.sleep(0.1)


def take_requests(run_folder: Path) -> tuple[Request, ...]:
    """Take up what was asked since the last call, oldest first; the supervisor's end."""
    return _take(run_folder / CONTROL, _requests)


def accept_request(run_folder: Path, request: Request) -> None:
    """Hand a request on to rank 0."""
    _put(run_folder / CONTROL / ACCEPTED, request.id, request)


def read_requests(run_folder: Path) -> tuple[Request, ...]:
    """Return what rank 0 shall do, each request once; about 10 µs when there is nothing."""
    return _take(run_folder / CONTROL / ACCEPTED, _requests)


def answer_request(
    run_folder: Path,
    request: Request,
    *,
    ok: bool = True,
    step: int | None = None,
    text: str = "",
    settled: dict[str, Any] | None = None,
) -> None:
    """Say what became of a request; rank 0's end.

    `step` is the optimizer steps done when it was taken up, `text` one sentence where there is
    more to say than yes, `settled` what the run's configuration says from now on.
    """
    answer = Answer(
        id=request.id,
        action=request.action,
        ok=ok,
        step=step,
        text=text,
        settled=settled or {},
    )
    _put(run_folder / CONTROL / ANSWERED, request.id, answer)


def take_answers(run_folder: Path) -> tuple[Answer, ...]:
    """Take up what rank 0 answered since the last call; the supervisor's end."""
    return _take(run_folder / CONTROL / ANSWERED, _answers)


def waits_in(run_folder: Path, actions: Collection[str]) -> bool:
    """Whether one of these actions waits for rank 0; the request stays where it is."""
    folder = run_folder / CONTROL / ACCEPTED
    for name in _names(folder):
        with suppress(OSError, msgspec.DecodeError):
            if _requests.decode((folder / name).read_bytes()).action in actions:
                return True
    return False


def clear_requests(run_folder: Path) -> None:
    """Forget what an earlier attempt was asked and never did."""
    for folder in (run_folder / CONTROL / ACCEPTED, run_folder / CONTROL / ANSWERED):
        _take(folder, _requests)


def _put(folder: Path, name: str, value: msgspec.Struct) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / f"{name}.json", msgspec.json.encode(value))


def _take(folder: Path, decoder: msgspec.json.Decoder[Taken]) -> tuple[Taken, ...]:
    taken: list[Taken] = []
    for name in _names(folder):
        path = folder / name
        # A file that is no request is removed and not obeyed.
        with suppress(OSError, msgspec.DecodeError):
            taken.append(decoder.decode(path.read_bytes()))
        path.unlink(missing_ok=True)
    return tuple(taken)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(n for n in os.listdir(folder) if n.endswith(".json") and n[0] != ".")
    except FileNotFoundError:
        return []
