"""Log-outs that kill: recorded settings of hosts, and a stand-in for systemd-run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.accelerators.locks import user_name
from trainer_core.run.processes import session
from trainer_core.run.processes.process import supervisor_alive
from trainer_core.run.processes.session import logout_danger, own_danger, unit_prefix
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.events import Notice

SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"
SYSTEMD_RUN = """#!/bin/sh
echo "$@" > "$MOAI_TUI_HOME/systemd-run"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a maker of hosts where systemd runs; tools it has stand first on the path."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def make(*, kills: bool = True, lingers: bool = False, cgroup: str = SESSION) -> Path:
        root = tmp_path / "host"
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "etc/systemd").mkdir(parents=True)
        answer = "yes" if kills else "no"
        # Root is spared by default, and the tests may run as root.
        text = f"[Login]\nKillUserProcesses={answer}\nKillExcludeUsers=nobody\n"
        (root / "etc/systemd/logind.conf").write_text(text)
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(cgroup)
        if lingers:
            (root / "var/lib/systemd/linger").mkdir(parents=True)
            (root / "var/lib/systemd/linger" / user_name()).touch()
        (root / "bin").mkdir()
        monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(session, "ROOT", root)
        return root

    return make


def systemd_run(root: Path, text: str) -> None:
    path = root / "bin/systemd-run"
    path.write_text(text)
    path.chmod(0o755)


def test_a_log_out_that_kills_is_said_with_the_command_that_mends_it(
    host: Callable[..., Path],
) -> None:
    host()
    danger = logout_danger()
    assert danger is not None
    assert "log-out" in danger.text
    assert danger.fix is not None
    assert danger.fix.startswith("loginctl enable-linger")
    assert unit_prefix("x") == []


def test_a_user_who_lingers_gets_a_unit(host: Callable[..., Path]) -> None:
    systemd_run(host(lingers=True), SYSTEMD_RUN)
    assert logout_danger() is None
    assert own_danger() is not None, "no unit took this process"
    assert unit_prefix("20260101-000000-abcdef")[1:4] == ["--user", "--scope", "--quiet"]


@pytest.mark.parametrize(
    "facts",
    [
        {"kills": False},
        {"cgroup": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n"},
    ],
)
def test_where_nothing_kills_nothing_is_said_or_done(
    facts: dict[str, object], host: Callable[..., Path]
) -> None:
    systemd_run(host(lingers=True, **facts), SYSTEMD_RUN)
    assert logout_danger() is None
    assert unit_prefix("x") == []


def test_a_batch_system_owns_what_it_starts(
    host: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert logout_danger() is None


@pytest.mark.parametrize("works", [True, False])
def test_a_run_is_started_in_the_unit_and_without_it_where_there_is_no_bus(
    works: bool,
    host: Callable[..., Path],
    stand_in: Callable[..., RunDirectory],
    wait_for: Callable[..., None],
) -> None:
    no_bus = "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n"
    systemd_run(host(lingers=True), SYSTEMD_RUN if works else no_bus)
    run = stand_in(steps=2)
    wait_for(lambda: not supervisor_alive(run))
    asked = Path(os.environ["MOAI_TUI_HOME"]) / "systemd-run"
    assert asked.exists() is works
    if works:
        assert f"--unit=moai-tui-{run.id} --" in asked.read_text()
    notices = [event for event in EventReader(run.path).read_new() if isinstance(event, Notice)]
    assert not [notice for notice in notices if notice.level == "warning"]
