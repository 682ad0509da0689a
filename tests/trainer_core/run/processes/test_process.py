from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import trainer_core
from trainer_core.errors import UserError
from trainer_core.run.processes import process
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.processes.process import core_command, core_environment, liveness, start_run
from trainer_core.run.record.directory import ExitRecord, RunDirectory, write_exit

NewRun = Callable[..., RunDirectory]


def test_a_child_finds_this_core_and_nothing_in_its_current_folder(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    (tmp_path / "trainer_core.py").write_text("raise SystemExit('the wrong core')")
    code = "import json, trainer_core; print(trainer_core.__file__)"
    command = [*core_command()[:2], "-c", code]
    answer = subprocess.run(
        command, cwd=tmp_path, env=core_environment(), capture_output=True, text=True, check=False
    )
    assert answer.stdout.strip() == trainer_core.__file__, answer.stderr


def test_relative_and_empty_module_paths_do_not_reach_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "here", "/there"]))
    paths = core_environment()["PYTHONPATH"].split(os.pathsep)
    assert paths[1:] == [str(tmp_path / "here"), "/there"]


def test_another_interpreter_can_be_named() -> None:
    guest = str(Path(trainer_core.__file__).with_name("guest.py"))
    assert core_command("rank", "x", python="/opt/python") == ["/opt/python", guest, "rank", "x"]
    ours = core_command("rank", "x")
    assert ours == [sys.executable, "-P", "-m", "trainer_core", "rank", "x"]
    assert core_command("rank", "x", python=sys.executable) == ours


def test_life_is_the_lock_and_a_dead_holder_is_dead(new_run: NewRun) -> None:
    run = new_run()
    assert liveness(run) == "dead"
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(0.0))
    assert liveness(run) == "alive"
    lock.release()
    assert liveness(run) == "dead"


@pytest.mark.parametrize(
    ("host", "boot", "life"),
    [("gpu07", "another boot", "elsewhere"), (None, "another boot", "dead")],
)
def test_only_another_host_is_judged_by_itself(
    new_run: NewRun, host: str | None, boot: str, life: str
) -> None:
    """A restarted host has killed its runs; of another host this one knows nothing."""
    run = new_run()
    own = own_identity(0.0)
    other = msgspec.structs.replace(own, boot_id=boot, host=host or own.host)
    run.lock_path.write_bytes(msgspec.json.encode(other))
    assert liveness(run) == life
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    assert liveness(run) == "dead"


def test_a_supervisor_that_cannot_start_is_one_sentence(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    monkeypatch.setattr(process, "core_command", lambda *_: ["/no/such/python"])
    with pytest.raises(UserError, match="cannot start"):
        start_run(run)


def test_a_supervisor_that_dies_before_it_reports_is_noticed(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    monkeypatch.setattr(process, "core_command", lambda *_: [sys.executable, "-c", "raise Oops"])
    with pytest.raises(UserError, match=r"supervisor\.log"):
        start_run(run)
    assert "Oops" in (run.logs_path / "supervisor.log").read_text()
