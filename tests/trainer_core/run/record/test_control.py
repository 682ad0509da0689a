from __future__ import annotations

from pathlib import Path

from trainer_core.run.record.control import (
    accept_request,
    answer_request,
    clear_requests,
    read_requests,
    send_request,
    take_answers,
    take_requests,
    wait_for_answer,
)
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import RequestAnswered


def test_a_request_travels_there_and_back(tmp_path: Path) -> None:
    asked = send_request(tmp_path, "set", learning_rate=1e-4)
    assert read_requests(tmp_path) == ()  # the supervisor has not handed it on
    (request,) = take_requests(tmp_path)
    assert (request.id, request.action) == (asked, "set")
    assert request.arguments == {"learning_rate": 1e-4}
    accept_request(tmp_path, request)
    (at_rank,) = read_requests(tmp_path)
    answer_request(tmp_path, at_rank, step=7, text="done")
    (answer,) = take_answers(tmp_path)
    assert (answer.id, answer.ok, answer.step, answer.text) == (asked, True, 7, "done")


def test_each_request_is_read_once_and_in_order(tmp_path: Path) -> None:
    ids = [send_request(tmp_path, "save") for _ in range(5)]
    assert [request.id for request in take_requests(tmp_path)] == ids
    assert take_requests(tmp_path) == ()


def test_what_is_no_request_is_removed_and_not_obeyed(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.mkdir()
    (control / "a.json").write_text("not json")
    (control / "b.json").write_text('{"id": "1", "action": "explode"}')
    (control / ".half-written.json").write_text("{")
    assert take_requests(tmp_path) == ()
    assert [path.name for path in control.iterdir()] == [".half-written.json"]


def test_requests_of_an_earlier_attempt_are_forgotten(tmp_path: Path) -> None:
    send_request(tmp_path, "stop")
    accept_request(tmp_path, take_requests(tmp_path)[0])
    clear_requests(tmp_path)
    assert read_requests(tmp_path) == ()


def test_an_answer_is_waited_for_in_the_events(tmp_path: Path) -> None:
    assert wait_for_answer(tmp_path, "x", timeout=0) is None
    writer = EventWriter(tmp_path / "supervisor.jsonl", attempt=1)
    for name in ("other", "x"):
        writer.write(RequestAnswered(request_id=name, action="stop", ok=True, step=4))
    writer.close()
    answer = wait_for_answer(tmp_path, "x", timeout=0)
    assert answer is not None
    assert answer.step == 4
