"""Signals and requests set flags; the border answers them once, with the step."""

from __future__ import annotations

import os
import signal

import pytest

from trainer_core.engine import wishes as module
from trainer_core.engine.wishes import Wishes
from trainer_core.run.record.control import accept_request, new_request, take_answers


def ask(folder, action):
    request = new_request(action)
    accept_request(folder, request)
    return request


@pytest.mark.parametrize(
    ("action", "end", "save"),
    [("stop", "stopped", False), ("pause", "paused", False), ("save", None, True)],
)
def test_a_request_is_carried_out_and_answered_with_the_step(action, end, save, tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    request = ask(tmp_path, action)
    wish = wishes.at_border(41)
    assert (wish.end, wish.save) == (end, save)
    (answer,) = take_answers(tmp_path)
    assert (answer.id, answer.ok, answer.step) == (request.id, True, 41)
    if action == "save":
        assert not wishes.at_border(42).save


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("extend", {}),
        ("extend", {"steps": 0}),
        ("extend", {"steps": "9"}),
        ("set", {"learning_rate": 0.0}),
        ("set", {"learning_rate": float("nan")}),
        ("set", {"seed": 3}),
        ("resume", {}),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(action, arguments, tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    accept_request(tmp_path, new_request(action, arguments))
    wish = wishes.at_border(1, total_steps=20)
    assert (wish.end, wish.learning_rate, wish.total_steps) == (None, None, None)
    (answer,) = take_answers(tmp_path)
    assert not answer.ok
    assert answer.text
    assert answer.settled == {}


def test_a_learning_rate_and_a_length_are_changed_exactly(tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    accept_request(tmp_path, new_request("set", {"learning_rate": 0.1 + 0.2}))
    accept_request(tmp_path, new_request("extend", {"steps": 5}))
    accept_request(tmp_path, new_request("extend", {"steps": 7}))
    wish = wishes.at_border(9, total_steps=20)
    assert (wish.learning_rate, wish.total_steps) == (0.1 + 0.2, 32)
    settled = [answer.settled for answer in take_answers(tmp_path)]
    assert settled == [{"learning_rate": 0.1 + 0.2}, {"total_steps": 25}, {"total_steps": 32}]
    after = wishes.at_border(10, total_steps=32)
    assert (after.learning_rate, after.total_steps) == (None, None)


def test_a_wish_to_end_is_seen_between_borders_and_answered_at_the_next(tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    ask(tmp_path, "save")
    assert not wishes.pressing()
    ask(tmp_path, "pause")
    assert wishes.pressing()
    assert take_answers(tmp_path) == ()
    assert wishes.at_border(1).end == "paused"
    assert not wishes.pressing()


def test_a_signal_presses_until_its_end_is_settled(tmp_path):
    """What is still measured after a stop is not left again for the same signal."""
    wishes = Wishes(tmp_path, leads=True)
    before = {number: signal.getsignal(number) for number in module.SIGNALS}
    wishes.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert wishes.pressing()
    assert wishes.at_border(3).end == "stopped"
    assert not wishes.pressing()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_only_the_leader_reads_requests(tmp_path):
    ask(tmp_path, "stop")
    assert Wishes(tmp_path, leads=False).at_border(1).end is None
    assert Wishes(tmp_path, leads=True).at_border(1).end == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_at_the_next_border(number, tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    wishes = Wishes(tmp_path, leads=False)
    wishes.listen()
    assert wishes.at_border(1).end is None
    os.kill(os.getpid(), number)
    assert wishes.at_border(2).end == "stopped"
    signal.signal(signal.SIGUSR1, before)


def test_the_time_limit_ends_the_run_and_a_stop_goes_first(tmp_path, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    wishes = Wishes(tmp_path, leads=True, ends_at=60.0)
    now[0] = 59.9
    assert wishes.at_border(1).end is None
    now[0] = 60.0
    assert wishes.at_border(2).end == "time_limit"
    ask(tmp_path, "stop")
    assert wishes.at_border(3).end == "stopped"


def test_the_save_is_over_before_the_limit(tmp_path, monkeypatch):
    """Steps of 2 s and a save of 8 s: no step begins that would leave less than both need."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    wishes = Wishes(tmp_path, leads=True, ends_at=100.0)
    step = 0
    while wishes.at_border(step, leaving_seconds=8.0).end is None:
        step += 1
        now[0] += 40.0 if step == 1 else 2.0
    assert 80.0 < now[0] <= 100.0 - 2.0 - 8.0


def test_the_border_brings_the_largest_peak(tmp_path):
    assert Wishes(tmp_path, leads=True).at_border(1, 7 << 30).peak_memory_bytes == 7 << 30
