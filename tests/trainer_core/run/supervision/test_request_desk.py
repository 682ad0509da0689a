from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.run.record.control import answer_request, new_request, read_requests, send_request
from trainer_core.run.record.events import Event, RequestAnswered
from trainer_core.run.supervision import request_desk
from trainer_core.run.supervision.request_desk import RequestDesk


def desk_and_answers(folder: Path) -> tuple[RequestDesk, list[RequestAnswered]]:
    told: list[RequestAnswered] = []

    def tell(event: Event) -> None:
        assert isinstance(event, RequestAnswered)
        told.append(event)

    return RequestDesk(folder, tell), told


def test_a_stop_is_handed_on_once_and_answered_by_the_rank(tmp_path: Path) -> None:
    desk, told = desk_and_answers(tmp_path)
    asked = send_request(tmp_path, "stop")
    desk.tick(3, has_ranks=True)
    desk.tick(3, has_ranks=True)
    assert desk.ending == "stopped"
    (request,) = read_requests(tmp_path)
    desk.tick(3, has_ranks=True)
    assert read_requests(tmp_path) == ()
    assert told == []
    answer_request(tmp_path, request, step=4)
    desk.tick(4, has_ranks=True)
    assert [(event.request_id, event.step, event.ok) for event in told] == [(asked, 4, True)]
    desk.close(4)
    assert len(told) == 1


def test_while_the_run_waits_everything_is_answered_here(tmp_path: Path) -> None:
    desk, told = desk_and_answers(tmp_path)
    send_request(tmp_path, "save")
    send_request(tmp_path, "stop")
    desk.tick(None, has_ranks=False)
    assert [(event.action, event.ok) for event in told] == [("save", False), ("stop", True)]
    assert read_requests(tmp_path) == ()


def test_a_stop_goes_before_a_pause(tmp_path: Path) -> None:
    desk, _ = desk_and_answers(tmp_path)
    send_request(tmp_path, "pause")
    desk.tick(1, has_ranks=True)
    assert desk.ending == "paused"
    send_request(tmp_path, "stop", now=True)
    desk.tick(1, has_ranks=True)
    assert (desk.ending, desk.at_once) == ("stopped", True)
    send_request(tmp_path, "pause")
    desk.tick(1, has_ranks=True)
    assert desk.ending == "stopped"


def test_what_an_answer_settles_is_written_down_before_it_is_told(tmp_path: Path) -> None:
    order: list[object] = []
    desk = RequestDesk(tmp_path, order.append, order.append)
    send_request(tmp_path, "extend", steps=5)
    desk.tick(1, has_ranks=True)
    (request,) = read_requests(tmp_path)
    answer_request(tmp_path, request, step=1, settled={"total_steps": 25})
    desk.tick(1, has_ranks=True)
    assert order[0] == {"total_steps": 25}
    assert isinstance(order[1], RequestAnswered)
    assert order[1].settled == {"total_steps": 25}
    assert desk.ending is None


def test_nobody_waits_for_ever_when_the_run_ends(tmp_path: Path) -> None:
    desk, told = desk_and_answers(tmp_path)
    send_request(tmp_path, "stop")
    desk.tick(8, has_ranks=True)
    desk.close(9)
    assert [(event.ok, event.step) for event in told] == [(True, 9)]


def test_a_signal_counts_as_a_request_and_is_named(tmp_path: Path) -> None:
    desk, _ = desk_and_answers(tmp_path)
    desk.ask("stop", "SIGTERM received")
    assert desk.ending == "stopped"
    assert desk.reason == "SIGTERM received"


def test_silence_is_counted_until_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(request_desk.time, "monotonic", lambda: now[0])
    desk, _ = desk_and_answers(tmp_path)
    assert desk.silent_seconds() == 0.0
    desk.take(new_request("stop"))
    desk.tick(1, has_ranks=True)
    now[0] = 107.0
    assert desk.silent_seconds() == 7.0
    answer_request(tmp_path, read_requests(tmp_path)[0], step=1)
    desk.tick(1, has_ranks=True)
    assert desk.silent_seconds() == 0.0
