"""A run of another host is judged by what it writes, and by nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from trainer_core.errors import UserError
from trainer_core.run.overview.summarize import base_summary, list_runs, write_cached
from trainer_core.run.processes import elsewhere, process
from trainer_core.run.processes.elsewhere import require_silence
from trainer_core.run.processes.heartbeat import Heartbeat
from trainer_core.run.processes.identity import own_identity
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import RunDirectory

NewRun = Callable[..., RunDirectory]


def on(run: RunDirectory, **changes: Any) -> RunDirectory:
    other = msgspec.structs.replace(own_identity(0.0), boot_id="another boot", **changes)
    run.lock_path.write_bytes(msgspec.json.encode(other))
    return run


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("SILENT", 0.2), ("RESTARTED", 0.2)):
        monkeypatch.setattr(elsewhere, f"{name}_SECONDS", seconds)
    monkeypatch.setattr(elsewhere, "POLL_SECONDS", 0.01)


@pytest.mark.parametrize("host", ["gpu07", None])
def test_a_moving_heartbeat_is_a_life(host: str | None, new_run: NewRun) -> None:
    """Also where the host has our name: it was restarted, or there are two of that name."""
    run = on(new_run(), **({"host": host} if host else {}))
    ended = threading.Event()

    def beat() -> None:
        writer = Heartbeat(run.path, 0)
        while not ended.wait(0.01):
            writer.beat("training", 1)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(UserError, match="its heartbeat moves"):
            require_silence(run)
    finally:
        ended.set()
        thread.join()
    require_silence(run)


def test_of_this_boot_the_lock_tells_and_nobody_waits(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "moves", lambda *_: pytest.fail("it watched"))
    run = new_run()
    require_silence(run)
    run.lock_path.write_bytes(msgspec.json.encode(own_identity(0.0)))
    require_silence(run)


def test_a_clock_ten_minutes_off_and_a_missing_process_make_no_run_lost(new_run: NewRun) -> None:
    run = on(new_run(), host="gpu07")
    summary = msgspec.structs.replace(base_summary(run), state="running", host="gpu07")
    write_cached(run, summary)
    for seconds in (-600, 600):
        moment = run.state_path.stat().st_mtime + seconds
        os.utime(run.state_path, (moment, moment))
        (shown,) = list_runs()
        assert (shown.state, shown.host) == ("running", "gpu07")


def test_a_folder_that_another_host_has_just_made_is_not_lost(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer_core.run.record.directory.socket.gethostname", lambda: "gpu07")
    run = new_run()
    monkeypatch.undo()
    assert process.socket.gethostname() != "gpu07"
    assert liveness(run) == "elsewhere"
