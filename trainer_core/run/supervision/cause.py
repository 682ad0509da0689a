"""Why a rank ended, in words: never "exit -9"."""

from __future__ import annotations

import re
import signal
from pathlib import Path

VMSTAT = Path("/proc/vmstat")
MESSAGE_LIMIT = 500
"""Characters of an exception's message: a sentence, not a listing."""

CODE_LIMIT = 120
"""Characters of the line of code that raised it."""

_MEANINGS = {
    signal.SIGSEGV: "crashed in native code (segmentation fault)",
    signal.SIGBUS: "crashed on a bus error; a full /dev/shm or disk is the usual cause",
    signal.SIGABRT: "was aborted by native code",
    signal.SIGILL: "met an instruction this processor does not have",
    signal.SIGFPE: "crashed on an arithmetic error in native code",
    signal.SIGKILL: "was killed from outside (SIGKILL)",
    signal.SIGTERM: "was ended from outside (SIGTERM)",
    signal.SIGXCPU: "used up the processor time it was allowed",
}
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^  File "(?P<path>.*)", line (?P<line>\d+), in (?P<function>.+)$')
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(: .*)?$")
_DEVICE_MEMORY = re.compile(
    r"(CUDA|HIP|device).{0,20}out of memory|OutOfMemoryError", re.IGNORECASE
)
_ECHO = re.compile(
    r"connection (closed|reset|refused|was aborted)|broken pipe|remote process exited|"
    r"NCCL (error|operation|communicator)|ncclRemoteError|socket ?timeout|peer (is )?gone|"
    r"watchdog|timed out waiting",
    re.IGNORECASE,
)
"""What the transports say on one rank when another one has died."""
_HOST_MEMORY = re.compile(r"^MemoryError|can't allocate memory|Cannot allocate memory")


def cause_of_death(
    rank: int,
    exit_code: int,
    log_tail: str,
    *,
    oom_kills: int = 0,
    host_oom_kills: int = 0,
    ended_by_us: bool = False,
) -> str:
    """Return one sentence about the end of a rank.

    Args:
        rank: Its number.
        exit_code: As `subprocess` gives it: negative for a signal.
        log_tail: The end of its log.
        oom_kills: How often the kernel killed for memory in our cgroup meanwhile.
        host_oom_kills: The same for the whole host, where other people's processes count too.
        ended_by_us: Whether the supervisor had asked the process to end.
    """
    if exit_code >= 0:
        return exception_in(log_tail) or f"rank {rank} ended with exit code {exit_code}"
    if ended_by_us:
        return f"rank {rank} was ended by its supervisor"
    if exit_code == -signal.SIGKILL and oom_kills > 0:
        return f"host memory ran out and the kernel killed rank {rank}"
    if exit_code == -signal.SIGKILL and host_oom_kills > 0:
        return (
            f"rank {rank} was killed while the kernel ended processes for memory: "
            "host memory has most likely run out"
        )
    return f"rank {rank} {_meaning(-exit_code)}"


def exception_in(log_tail: str, message_lines: int = 1) -> str | None:
    """Return the last exception of a log: its message, and the last line that was run.

    Args:
        log_tail: The end of a log; memory errors in it are told in plain words.
        message_lines: Lines of the message at most; in a log what follows it may be anything.
    """
    _, found, after = log_tail.rpartition(_TRACEBACK)
    if not found:
        return None
    lines = after.splitlines()
    start = next((n for n, line in enumerate(lines) if n and _EXCEPTION.match(line)), None)
    if start is None:
        return None
    told = " ".join(line.strip() for line in lines[start : start + message_lines])
    message = told.strip()[:MESSAGE_LIMIT]
    if _DEVICE_MEMORY.search(message):
        return f"device memory ran out ({message})"
    if _HOST_MEMORY.search(message):
        return f"host memory ran out ({message})"
    return f"{message}{_place(lines[:start])}"


def _place(frames: list[str]) -> str:
    """Return the last frame of a traceback in brackets, with its line of code where it is told."""
    last = next((n for n in reversed(range(len(frames))) if _FRAME.match(frames[n])), None)
    if last is None or (frame := _FRAME.match(frames[last])) is None:
        return ""
    code = "".join(f": {line.strip()[:CODE_LIMIT]}" for line in frames[last + 1 : last + 2])
    path = "/".join(Path(frame["path"]).parts[-2:])
    return f" ({path}, line {frame['line']}, in {frame['function']}{code})"


def is_echo(cause: str) -> bool:
    """Whether a rank's last words only say that another rank is gone."""
    return bool(_ECHO.search(cause))


def oom_kill_count() -> int:
    """Return how often the kernel killed a process of our cgroup for memory; 0 if unknown."""
    for path in _memory_files():
        try:
            fields = dict(line.split(None, 1) for line in path.read_text().splitlines())
            return int(fields["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def host_oom_kill_count() -> int:
    """Return how often the kernel of this host killed a process for memory; 0 if unknown."""
    try:
        fields = dict(line.split(None, 1) for line in VMSTAT.read_text().splitlines())
        return int(fields["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0


def _memory_files() -> list[Path]:
    files: list[Path] = []
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return files
    root = Path("/sys/fs/cgroup")
    for line in groups:
        _, controllers, path = line.split(":", 2)
        inner = path.lstrip("/")
        if controllers == "":
            files += [root / inner / "memory.events", root / "memory.events"]
        elif "memory" in controllers.split(","):
            files += [root / "memory" / inner / "memory.oom_control"]
            files += [root / "memory" / "memory.oom_control"]
    return files


def _meaning(number: int) -> str:
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"was ended by signal {number}"
    return _MEANINGS.get(name, f"was ended by {name.name}")
