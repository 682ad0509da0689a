"""Starting a run's supervisor so that it outlives whoever started it, and finding it again."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

import trainer_core
from trainer_core.errors import UserError
from trainer_core.run.processes.identity import boot_id, lock_holder, lock_is_held
from trainer_core.run.processes.session import unit_environment, unit_prefix
from trainer_core.run.record.directory import RunDirectory, read_exit, read_meta

START_SECONDS = 60.0
"""A supervisor reports in 0.2 s; a host under heavy load may need this much."""

STARTED = b"started\n"
"""What the supervisor says once its lock is held and the folder is durable."""

Liveness = Literal["alive", "dead", "elsewhere"]
"""`elsewhere`: on another host that shares the folder, so this one cannot tell."""


def core_command(*arguments: str, python: str | None = None) -> list[str]:
    """Return the command line of `python -P -m trainer_core …`.

    `-P` keeps the current folder off the module path: a `torch.py` there is not imported. An
    interpreter other than ours gets the core through `guest.py`, its own packages first.
    """
    if python is None or os.path.abspath(python) == os.path.abspath(sys.executable):
        return [sys.executable, "-P", "-m", "trainer_core", *arguments]
    # An older Python than 3.11 does not know -P, and is told so by the guest.
    guest = Path(trainer_core.__file__).with_name("guest.py")
    return [python, str(guest), *arguments]


def core_environment() -> dict[str, str]:
    """Return this process's environment, changed so that a child finds this `trainer_core`."""
    environment = dict(os.environ)
    parent = Path(trainer_core.__file__).parent.parent
    packages = Path(msgspec.__file__).parent.parent
    environment["MOAI_TUI_CORE_PACKAGES"] = str(packages)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    # A relative entry would mean another folder in the child; an empty one its current folder.
    kept = [str(Path(path).absolute()) for path in paths]
    # Where the package is installed it is found anyway; its folder in front would hide what
    # another interpreter has of its own.
    own = [] if parent == packages else [str(parent)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*own, *kept]))
    return environment


def start_run(directory: RunDirectory, *, other_devices: bool = False) -> None:
    """Start the supervisor in a session of its own; return once it holds the run's lock.

    Where a log-out ends everything of a session, it is started in a user unit instead; where that
    cannot be had it is started all the same, and its events say what a log-out would do.

    Args:
        directory: The run.
        other_devices: Whether the user asked to go on with another kind of device than before.

    Raises:
        UserError: If it could not start; the sentence is the supervisor's own.
    """
    options = ["--other-devices"] if other_devices else []
    unit = unit_prefix(directory.id)
    report = _start(directory, options, unit) if unit else b""
    report = report or _start(directory, options, [])
    if report != STARTED:
        reason = report.decode("utf-8", "replace").strip()
        raise UserError(reason or f"The run cannot start; see {directory.logs_path}/supervisor.log")


def _start(directory: RunDirectory, options: list[str], prefix: list[str]) -> bytes:
    """Start it once; returns what it reports, nothing where it never came so far."""
    read_end, write_end = os.pipe()
    log = os.open(
        directory.logs_path / "supervisor.log",
        os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
        0o600,
    )
    command = core_command("supervise", str(directory.path), "--report", str(write_end), *options)
    try:
        process = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
            cwd="/",
            env={**core_environment(), **(unit_environment() if prefix else {})},
        )
    except OSError as error:
        os.close(read_end)
        raise UserError(f"The run cannot start: {error.strerror}") from error
    finally:
        os.close(log)
        os.close(write_end)
    try:
        report = _read_report(read_end)
    finally:
        os.close(read_end)
    process.wait()  # the first of two forks ends at once: the supervisor is nobody's child
    return report


def liveness(directory: RunDirectory) -> Liveness:
    """Say whether the run's supervisor lives, as far as this host can tell."""
    if lock_is_held(directory.lock_path):
        return "alive"
    holder = lock_holder(directory.lock_path)
    if holder is None:
        made_on = read_meta(directory).host
        return "dead" if made_on in ("", socket.gethostname()) else "elsewhere"
    if holder.boot_id == boot_id() or holder.host == socket.gethostname():
        return "dead"
    return "dead" if read_exit(directory) else "elsewhere"


def supervisor_alive(directory: RunDirectory) -> bool:
    """Say whether a supervisor on this host holds the run's lock."""
    return lock_is_held(directory.lock_path)


def _read_report(read_end: int) -> bytes:
    report = b""
    while select.select([read_end], [], [], START_SECONDS)[0]:
        block = os.read(read_end, 4096)
        if not block:
            return report
        report += block
        if report.endswith(b"\n"):
            return report
    return b"The run did not start within a minute; see its logs/supervisor.log\n"
