"""Drives a terminal program in a pty from outside, as an xterm would see it.

Everything the program writes is read at once and stamped; emulation comes afterwards and is no
part of a measured time. Terminal queries are answered from the reading loop.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pyte

ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), lambda _: b"\x1b[?64;1;2;6;9;15;18;21;22c"),
    (re.compile(rb"\x1b\[>0?c"), lambda _: b"\x1b[>41;390;0c"),
    (re.compile(rb"\x1b\[\?(\d+)\$p"), lambda found: b"\x1b[?" + found[1] + b";0$y"),
    (re.compile(rb"\x1b\[6n"), lambda _: b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[14t"), lambda _: b"\x1b[4;800;1200t"),
)
"""Queries and what xterm says to them; kitty's keyboard query gets no answer, as from xterm."""

PRIVATE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
KEYBOARD = re.compile(rb"\x1b\[([<>])(\d*)u")
KEYS = {
    "down": b"\x1b[B",
    "up": b"\x1b[A",
    "left": b"\x1b[D",
    "right": b"\x1b[C",
    "tab": b"\t",
    "enter": b"\r",
    "esc": b"\x1b",
}
ON_AT_START = {b"7", b"25"}
"""Wrapping and the cursor: on in a fresh terminal."""


class Probe:
    """One program in a pty; `close` it, or use it as a context."""

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], size: tuple[int, int] = (120, 40)
    ) -> None:
        self.size = size
        self.started = time.perf_counter()
        self.chunks: list[tuple[float, bytes]] = []
        self._exited: float | None = None
        self._master, slave = pty.openpty()
        self.resize(size, tell=False)
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no thread here
        )
        os.close(slave)

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def output(self) -> bytes:
        """All that was written."""
        return b"".join(data for _, data in self.chunks)

    @property
    def written(self) -> int:
        """Bytes written so far."""
        return sum(len(data) for _, data in self.chunks)

    def send(self, key: str) -> float:
        """Press a key; returns when."""
        moment = time.perf_counter()
        os.write(self._master, KEYS.get(key, key.encode()))
        return moment

    def resize(self, size: tuple[int, int], *, tell: bool = True) -> None:
        """Give the terminal another size, in columns and rows."""
        width, height = self.size = size
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if tell and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGWINCH)

    def read(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Read for so long, or until a condition holds after some output.

        Returns:
            Whether the condition held; True without one. False when the program has ended.
        """
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                break
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                data = b""
            if not data:
                return False
            self.chunks.append((time.perf_counter(), data))
            self._answer(data)
            if until is not None and until():
                return True
        return until is None

    def read_until_text(self, texts: Sequence[str], seconds: float = 30.0) -> bool:
        """Read until every text was written somewhere."""
        wanted = [text.encode() for text in texts]
        return self.read(seconds, lambda: all(text in self.output for text in wanted))

    def settle(self, quiet_seconds: float = 0.4, limit_seconds: float = 20.0) -> None:
        """Read until nothing came for a while."""
        end = time.perf_counter() + limit_seconds
        while time.perf_counter() < end:
            before = len(self.chunks)
            self.read(quiet_seconds)
            if len(self.chunks) == before:
                return

    def wait(self, seconds: float = 10.0) -> int | None:
        """Read until the program has ended; returns its exit code, None when it did not."""
        end = time.perf_counter() + seconds
        while self.process.poll() is None and time.perf_counter() < end:
            self.read(0.02)
        return self.process.poll()

    def cpu_seconds(self) -> float:
        """CPU time of the program and of every child that lives or was waited for."""
        try:
            program = psutil.Process(self.process.pid)
            family = [program, *program.children(recursive=True)]
            return sum(sum(member.cpu_times()[:4]) for member in family if member.is_running())
        except psutil.Error:
            return 0.0

    def resident_mib(self) -> float:
        """Resident memory of the painting process."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def first_paint_seconds(self) -> float | None:
        """When the screen was first not blank."""
        screen = pyte.Screen(*self.size)
        stream = pyte.ByteStream(screen)
        for moment, data in self.chunks:
            stream.feed(KEYBOARD.sub(b"", data))
            if any(line.strip() for line in screen.display):
                return moment - self.started
        return None

    def screen(self) -> list[str]:
        """The lines that stand on the terminal now."""
        screen = pyte.Screen(*self.size)
        pyte.ByteStream(screen).feed(KEYBOARD.sub(b"", self.output))
        return [line.rstrip() for line in screen.display]

    def modes_left_on(self) -> list[str]:
        """Private modes that differ from a fresh terminal's, and a pushed keyboard mode."""
        state = dict.fromkeys(ON_AT_START, True)
        for found in PRIVATE.finditer(self.output):
            for mode in found[1].split(b";"):
                state[mode] = found[2] == b"h"
        left = [f"?{mode.decode()}" for mode, on in state.items() if on != (mode in ON_AT_START)]
        pushed = sum(1 if found[1] == b">" else -1 for found in KEYBOARD.finditer(self.output))
        return [*left, "keyboard"] if pushed > 0 else left

    def _answer(self, data: bytes) -> None:
        for query, answer in ANSWERS:
            for found in query.finditer(data):
                os.write(self._master, answer(found))


class SlowLine:
    """Stands between a program and its terminal: so many bytes a second, answers late."""

    BEAT = 0.05

    def __init__(self, probe: Probe, bytes_a_second: float, delay_seconds: float) -> None:
        self._probe, self._rate, self._delay = probe, bytes_a_second, delay_seconds
        self._answers: list[tuple[float, bytes]] = []
        self.seen = b""
        """What has come through."""

    @property
    def carried(self) -> int:
        """Bytes that have come through."""
        return len(self.seen)

    def waiting(self) -> float:
        """Return the bytes that the program has written and the line has not carried."""
        found = fcntl.ioctl(self._probe._master, termios.FIONREAD, b"\0" * 4)
        return float(struct.unpack("i", found)[0])

    def carry(self, seconds: float, until: Callable[[], bool] | None = None) -> float:
        """Carry bytes for so long, or until a condition holds; returns when that was."""
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end and not (until is not None and until()):
            if select.select([self._probe._master], [], [], 0)[0]:
                data = os.read(self._probe._master, int(self._rate * self.BEAT))
                self.seen += data
                for query, answer in ANSWERS:
                    late = now + self._delay
                    self._answers += [(late, answer(found)) for found in query.finditer(data)]
            while self._answers and self._answers[0][0] <= now:
                os.write(self._probe._master, self._answers.pop(0)[1])
            time.sleep(self.BEAT)
        return time.perf_counter()


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment as over plain SSH, with folders of its own below `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "MOAI_TUI_HOME": str(home / "state"),
        "MOAI_TUI_LOCKS": str(home / "locks"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        **more,
    }
