"""Whether a log-out would end a run, and the user unit that keeps it where there is one.

With `KillUserProcesses=yes` systemd ends everything in a session's scope at log-out, whatever
its session id: a process lives on only in another unit, and user units live on only where the
user lingers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from trainer_core.accelerators.host_checks import Check, check_logout

ROOT = Path("/")
"""Where `etc`, `proc`, `run`, `usr` and `var` stand; tests give a folder."""


def logout_danger(environ: Mapping[str, str] | None = None) -> Check | None:
    """Return what is wrong if a log-out would end what this process starts, with the way out.

    None where it would not: systemd does not end sessions here, a batch system owns the process,
    or it stands in a unit of its own. A user who lingers is in no danger either, as runs are then
    started in a user unit.
    """
    check = _check(environ)
    return check if check is not None and check.state == "problem" else None


def own_danger() -> Check | None:
    """Return what a log-out does to this very process, for a supervisor that no unit took."""
    check = _check(None)
    return check if check is not None and check.state != "ok" else None


def unit_prefix(run_id: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what stands before a command that must outlive the session; empty without need.

    The command then runs in a scope of the user's own systemd; descriptors and environment are
    handed on.
    """
    check = _check(environ)
    tool = shutil.which("systemd-run")
    if check is None or check.state != "warning" or tool is None:
        return []
    return [tool, "--user", "--scope", "--quiet", "--collect", f"--unit=moai-tui-{run_id}", "--"]


def unit_environment() -> dict[str, str]:
    """Return the variables without which the user's systemd is not found."""
    return {"XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"}


def _check(environ: Mapping[str, str] | None) -> Check | None:
    environ = os.environ if environ is None else environ
    if environ.get("SLURM_JOB_ID") or not _in_a_session():
        return None
    return check_logout(environ, ROOT)


def _in_a_session() -> bool:
    """Whether this process stands in the scope of a log-in; unknown counts as yes."""
    try:
        groups = (ROOT / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return "/session-" in groups
