"""What of the host endangers runs: log-outs that kill, locks that do not lock, full disks.

Read only; each check answers with one sentence and, where something is wrong, the way out.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer_core.accelerators.base import GIB
from trainer_core.accelerators.locks import lock_directory, try_locking, user_name

LEAST_FREE_BYTES = 10 * GIB
"""A checkpoint of a 1.3 B model in bf16 with its optimizer takes about 8 GiB."""

SYSTEMD_FOLDERS = ("usr/lib/systemd", "run/systemd", "etc/systemd")
"""Where logind reads its settings, the later winning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One answer."""

    name: str
    state: Literal["ok", "warning", "problem"]
    text: str
    fix: str | None = None


def check_locks() -> Check:
    """Try a lock in the folder that all users share."""
    directory = lock_directory()
    problem = try_locking(directory)
    if problem is None:
        return Check(name="device locks", state="ok", text=f"work in {directory}")
    fix = "set MOAI_TUI_LOCKS to a local folder that all users may write"
    return Check(name="device locks", state="problem", text=problem, fix=fix)


def check_state_folder(folder: Path, variable: str) -> Check:
    """Try a lock where runs are kept; homes are often on network file systems.

    Args:
        folder: The folder to try.
        variable: The setting that moves it, named in the way out.
    """
    problem = try_locking(folder)
    if problem is None:
        return Check(name=variable, state="ok", text=f"{folder} can be written and locked")
    fix = f"set {variable} to a folder on a local disk"
    return Check(name=variable, state="problem", text=problem, fix=fix)


def check_disk(folder: Path, purpose: str) -> Check:
    """Say how much room there is where checkpoints or caches go."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        text = f"room in {folder} is unknown: {error.strerror}"
        return Check(name=purpose, state="warning", text=text)
    text = f"{free / GIB:.1f} GiB free in {folder}"
    if free >= LEAST_FREE_BYTES:
        return Check(name=purpose, state="ok", text=text)
    return Check(
        name=purpose,
        state="warning",
        text=text,
        fix="make room, or move it: MOAI_TUI_RUNS for runs, XDG_CACHE_HOME for caches",
    )


def check_logout(
    environ: Mapping[str, str] | None = None, root: Path = Path("/"), user: str | None = None
) -> Check:
    """Say whether a run goes on when this user logs out.

    Args:
        environ: Looked at for a batch system; None is this process's.
        root: Where `etc`, `run`, `usr` and `var` stand; tests give a folder.
        user: Login name; None is this process's user.
    """
    environ = os.environ if environ is None else environ
    user = user_name() if user is None else user
    if environ.get("SLURM_JOB_ID"):
        text = f"this is Slurm job {environ['SLURM_JOB_ID']}: a run ends with it at the latest"
        fix = "submit the run itself, with --foreground, to outlive this shell"
        return Check(name="log-out", state="warning", text=text, fix=fix)
    if not (root / "run/systemd/system").is_dir():
        return Check(
            name="log-out", state="ok", text="a run goes on (no systemd here that ends sessions)"
        )
    settings = _logind_settings(root)
    kills = settings.get("killuserprocesses", "no").lower() in ("yes", "true", "1", "on")
    excluded = settings.get("killexcludeusers", "root").split()
    only = settings.get("killonlyusers", "").split()
    if not kills or user in excluded or (only and user not in only):
        return Check(name="log-out", state="ok", text="a run goes on")
    if (root / "var/lib/systemd/linger" / user).exists():
        return Check(
            name="log-out",
            state="warning",
            text="systemd ends all processes of a session (KillUserProcesses=yes); you linger, "
            "so a user service outlives it",
            fix="start long runs with systemd-run --user --scope moai-tui train …",
        )
    return Check(
        name="log-out",
        state="problem",
        text="systemd ends every process of yours at log-out (KillUserProcesses=yes)",
        fix="loginctl enable-linger, then systemd-run --user --scope moai-tui train …",
    )


def _logind_settings(root: Path) -> dict[str, str]:
    """Return logind's settings by lower-case name, drop-ins after main files."""
    folders = [root / name for name in SYSTEMD_FOLDERS]
    paths = [folder / "logind.conf" for folder in folders]
    dropped = [path for folder in folders for path in (folder / "logind.conf.d").glob("*.conf")]
    paths += sorted(dropped, key=lambda path: path.name)
    settings: dict[str, str] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals:  # a comment's name begins with its mark, so nobody asks for it
                settings[name.strip().lower()] = value.strip()
    return settings
