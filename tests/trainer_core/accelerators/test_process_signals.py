"""Signals reach a real process of ours, and nobody else's."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from trainer_core.accelerators.process_signals import is_own, send_signal
from trainer_core.errors import UserError


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_the_process_that_was_seen_gets_the_signal(sleeper):
    send_signal(sleeper.pid, psutil.Process(sleeper.pid).create_time(), "TERM")
    assert sleeper.wait(30) == -signal.SIGTERM


def test_a_number_that_went_to_another_process_gets_nothing(sleeper):
    with pytest.raises(UserError, match="another one by now"):
        send_signal(sleeper.pid, psutil.Process(sleeper.pid).create_time() - 60, "KILL")
    assert sleeper.poll() is None


def test_a_process_that_ended_is_said(sleeper):
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(UserError, match="ended already"):
        send_signal(sleeper.pid, None, "TERM")


def test_somebody_elses_process_is_left_alone(sleeper, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 987654)
    assert not is_own(sleeper.pid)
    with pytest.raises(UserError, match="somebody else"):
        send_signal(sleeper.pid, None, "KILL")
    assert sleeper.poll() is None
