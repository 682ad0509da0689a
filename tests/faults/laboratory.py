"""Where faults are injected: a home of its own, the real commands, and what an outsider can see.

Nothing here imports the product: it knows the commands, their JSON and the files of a run folder,
so that a fault loop works whatever stands behind them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()
SEED = int(os.environ.get("FAULTS_SEED", "20261124"))
"""Every random choice of a fault loop comes from this; set it to repeat a run or to try another."""

ASKING_SECONDS = 3.0
"""Between two times that a run is asked for by a command, which costs a third of a second."""


class Laboratory:
    """One home with everything a user has, below one folder."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.random = random.Random(SEED)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "MOAI_TUI_HOME": str(place / "home"),
            "MOAI_TUI_LOCKS": str(place / "locks"),
            "MOAI_TUI_CPU_DEVICES": "2",
            "XDG_CACHE_HOME": str(place / "cache"),
            "XDG_CONFIG_HOME": str(place / "config"),
        }

    # ------------------------------------------------------------------ commands

    def moai(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; one that fails is an error unless `ok` is False."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "moai_tui", *arguments],
            env=self.environment,
            cwd=self.place,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=300,
        )
        if ok and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, name: str, *settings: str, rows: int = 48) -> Path:
        """Start a run that goes on by itself; returns its folder."""
        dataset = str(self.rows(rows))
        self.moai("train", "--dataset", dataset, "--name", name, "--detach", *settings)
        return Path(self.show(name)["path"])

    def rows(self, count: int = 48) -> Path:
        """Return a small dataset, the same each time."""
        path = self.place / f"rows-{count}.jsonl"
        if not path.exists():
            chosen = random.Random(7)
            lines = [
                json.dumps(
                    {
                        "prompt": " ".join(chosen.choices(WORDS, k=5)),
                        "completion": " ".join(chosen.choices(WORDS, k=6)),
                    }
                )
                for _ in range(count)
            ]
            path.write_text("\n".join(lines) + "\n")
        return path

    def show(self, run: str) -> dict[str, Any]:
        """Return `show --json`."""
        shown: dict[str, Any] = json.loads(self.moai("show", run, "--json").stdout)
        return shown

    def events(self, run: str) -> list[dict[str, Any]]:
        """Return every event, as `events` prints them."""
        return [json.loads(line) for line in self.moai("events", run).stdout.splitlines()]

    def verify(self, run: str) -> subprocess.CompletedProcess[str]:
        """Run `verify`; the caller judges its exit code."""
        return self.moai("verify", run, "--json", ok=False)

    def wait_for_end(self, run: str, seconds: float = 600.0) -> dict[str, Any]:
        """Wait until a run has ended in any way; returns its summary.

        A run that is lost leaves no record of its end, so now and then the command is asked too.
        """
        found = self.show(run)
        exit_record = Path(found["path"], "exit.json")
        asked = time.monotonic()

        def ended() -> bool:
            nonlocal found, asked
            if exit_record.exists() or time.monotonic() - asked > ASKING_SECONDS:
                found, asked = self.show(run), time.monotonic()
            return found["state"] in ("finished", "stopped", "paused", "failed", "lost")

        wait_until(ended, seconds, pause=0.2)
        return found


def wait_until(holds: Callable[[], object], seconds: float = 120.0, pause: float = 0.02) -> None:
    """Wait for a condition; an error after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= end:
            raise AssertionError("waited in vain")
        time.sleep(pause)


# ---------------------------------------------------------------------- what an outsider sees


class Tail:
    """The rows of `events.jsonl` as they come; what is torn or no JSON is counted."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.jsonl"
        self._offset = 0
        self.bad_rows = 0
        self.rows: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """Return the new whole rows."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        new = []
        for line in filter(None, whole.split(b"\n")):
            try:
                new.append(json.loads(line))
            except ValueError:
                self.bad_rows += 1
        self.rows += new
        return new


def processes_of(run_id: str, place: Path) -> dict[int, str]:
    """Return pid → kind (`rank` or `supervisor`) of the living processes of a run."""
    found: dict[int, str] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            command = Path(entry.path, "cmdline").read_bytes().split(b"\0")
            state = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        words = [os.fsdecode(word) for word in command]
        if state in "ZX" or not any(run_id in word and str(place) in word for word in words):
            continue
        for kind in ("rank", "supervise"):
            if kind in words:
                found[int(entry.name)] = kind
    return found


def losses_of(rows: list[dict[str, Any]]) -> dict[int, set[str]]:
    """Return step → every loss told for it, exactly."""
    losses: dict[int, set[str]] = {}
    for row in rows:
        if row["type"] == "step":
            losses.setdefault(row["step"], set()).add(float(row["train_loss"]).hex())
    return losses


def sums_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every tensor file below a folder."""
    files = sorted(folder.rglob("*.safetensors"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def newest_checkpoint(folder: Path) -> Path:
    """Return the checkpoint of the highest step."""
    return max((folder / "checkpoints").glob("step-*"))


class Screen:
    """The dashboard or a command on a pseudo-terminal of 24 × 80."""

    def __init__(self, laboratory: Laboratory, *arguments: str, ignores: bool = False) -> None:
        self.output = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)

        def on_this_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignores:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "moai_tui", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=laboratory.environment,
            cwd=laboratory.place,
            preexec_fn=on_this_terminal,  # noqa: PLW1509 - this process has one thread
        )
        os.close(slave)

    def read_until(self, text: bytes, seconds: float = 120.0) -> None:
        """Read what is drawn until some text was."""
        end = time.monotonic() + seconds
        while text not in self.output:
            if time.monotonic() >= end:
                raise AssertionError(self.output[-2000:].decode(errors="replace"))
            self.drain(0.2)

    def drain(self, seconds: float) -> None:
        """Read what comes within a moment."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                return

    def hang_up(self) -> float:
        """Close the line as a lost connection does; returns the seconds until the process ended."""
        began = time.monotonic()
        os.close(self.master)
        self.process.wait(60)
        return time.monotonic() - began

    def end(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            try:
                os.close(self.master)
            except OSError:
                return


# ---------------------------------------------------------------------- figures


def record(name: str, **figures: Any) -> None:
    """Append one line of measured figures to the file that `FAULTS_REPORT` names."""
    path = os.environ.get("FAULTS_REPORT")
    if not path:
        return
    line = {"what": name, "seed": SEED, "date": time.strftime("%Y-%m-%d %H:%M"), **figures}
    with Path(path).open("a") as file:
        file.write(json.dumps(line) + "\n")


def kept_apart(laboratory: Laboratory) -> Iterator[Laboratory]:
    """Hand a laboratory out, then end every process that was started in it."""
    yield laboratory
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            command = Path(entry.path, "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(laboratory.place) in command and int(entry.name) != os.getpid():
            os.kill(int(entry.name), signal.SIGKILL)
