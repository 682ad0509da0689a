"""What of the host endangers runs, each with its way out."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from trainer_core.accelerators.host_checks import (
    check_disk,
    check_locks,
    check_logout,
    check_state_folder,
)

Usage = namedtuple("Usage", "total used free")


def host(root: Path, **files: str) -> Path:
    (root / "run/systemd/system").mkdir(parents=True)
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def logind(root: Path, text: str, folder: str = "etc/systemd", name: str = "logind.conf") -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / name).write_text(text)


def test_locks_that_work_are_said(tmp_path: Path) -> None:
    assert check_locks().state == "ok"
    assert not (tmp_path / "locks").exists(), "looking changes nothing"


def test_a_folder_that_does_not_lock_is_a_problem_with_its_setting(monkeypatch) -> None:
    monkeypatch.setenv("MOAI_TUI_LOCKS", "/proc/nowhere")
    assert check_locks().state == "problem"
    assert "MOAI_TUI_LOCKS" in (check_locks().fix or "")
    check = check_state_folder(Path("/proc/nowhere"), "MOAI_TUI_HOME")
    assert check.state == "problem"
    assert check.fix == "set MOAI_TUI_HOME to a folder on a local disk"


def test_little_room_is_a_warning(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9, 9, 20 * 2**30))
    assert check_disk(tmp_path / "not" / "yet", "runs").state == "ok"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9, 9, 2**30))
    check = check_disk(tmp_path, "runs")
    assert check.state == "warning"
    assert check.text == f"1.0 GiB free in {tmp_path}"


def test_without_systemd_a_run_goes_on(tmp_path: Path) -> None:
    assert check_logout({}, tmp_path, "bob").state == "ok"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "ok"),
        ("[Login]\n#KillUserProcesses=yes\n", "ok"),
        ("[Login]\nKillUserProcesses=no\n", "ok"),
        ("[Login]\nKillUserProcesses=yes\n", "problem"),
        ("[Login]\nKillUserProcesses = true\n", "problem"),
        ("KillUserProcesses=yes\nKillExcludeUsers=root bob\n", "ok"),
        ("KillUserProcesses=yes\nKillOnlyUsers=eve\n", "ok"),
    ],
)
def test_whether_a_log_out_kills_is_read_from_logind(tmp_path: Path, text, state) -> None:
    logind(host(tmp_path), text)
    assert check_logout({}, tmp_path, "bob").state == state


def test_root_is_spared_unless_said_otherwise(tmp_path: Path) -> None:
    logind(host(tmp_path), "KillUserProcesses=yes\n")
    assert check_logout({}, tmp_path, "root").state == "ok"


def test_a_drop_in_wins_over_the_main_file(tmp_path: Path) -> None:
    logind(host(tmp_path), "KillUserProcesses=yes\n")
    logind(tmp_path, "KillUserProcesses=no\n", "etc/systemd/logind.conf.d", "50-ours.conf")
    assert check_logout({}, tmp_path, "bob").state == "ok"


def test_lingering_helps_with_a_user_service(tmp_path: Path) -> None:
    logind(host(tmp_path, var__lib__systemd__linger__bob=""), "KillUserProcesses=yes\n")
    check = check_logout({}, tmp_path, "bob")
    assert check.state == "warning"
    assert "systemd-run --user --scope" in (check.fix or "")


def test_inside_a_batch_job_the_run_ends_with_it(tmp_path: Path) -> None:
    check = check_logout({"SLURM_JOB_ID": "9"}, tmp_path, "bob")
    assert check.state == "warning"
    assert "Slurm job 9" in check.text
