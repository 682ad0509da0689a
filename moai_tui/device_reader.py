"""Readings of the devices: cards through a child that may block or die, the CPU right here.

A driver that hangs must hang a child, never the dashboard: `python -m trainer_core accelerators
--watch` sends one JSON line a reading, and whoever waits for it has a deadline.
"""

from __future__ import annotations

import math
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from moai_tui.messages import AcceleratorsRead
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot

DEADLINE_SECONDS = 5.0
"""A reading later than this beyond its beat is told to the user."""

RESTART_SECONDS = 5.0
"""Between two tries to start the reading child again."""

CARD_SIGNS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files of NVIDIA's driver, AMD's compute driver, and the one of WSL."""


class DeviceReader:
    """Yields a reading every `seconds`, for ever; `stop` ends it from another thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ended = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._lines: BinaryIO | None = None
        self._last = AcceleratorsRead(())

    def stop(self) -> None:
        """End the readings and the child; the reading thread cleans up behind it."""
        self._ended.set()
        child = self._child
        if child is not None:
            child.kill()

    def readings(self) -> Iterator[AcceleratorsRead]:
        """Yield readings until stopped; trouble is a reading with an error and the last devices."""
        while not self._ended.is_set():
            yield from self._from_child() if cards_may_be_here() else self._from_here()

    def _from_here(self) -> Iterator[AcceleratorsRead]:
        from trainer_core.accelerators.inventory import read_devices

        while not self._ended.is_set():
            try:
                inventory = read_devices(cards=False)
                yield self._kept(inventory.devices, inventory.notes)
            except UserError as error:
                yield replace(self._last, error=str(error))
            self._ended.wait(self.seconds)

    def _from_child(self) -> Iterator[AcceleratorsRead]:
        lines = self._start()
        late_at = time.monotonic() + self.seconds + DEADLINE_SECONDS
        unread = b""
        while not self._ended.is_set():
            if not select.select([lines], [], [], 0.5)[0]:
                if time.monotonic() > late_at:
                    late_at = math.inf  # said once, until the next line
                    yield replace(self._last, error="The driver does not answer; figures are old.")
                continue
            block = os.read(lines, 1 << 20)
            if not block:
                break
            *whole, unread = (unread + block).split(b"\n")
            if whole:
                late_at = time.monotonic() + self.seconds + DEADLINE_SECONDS
                yield self._decoded(whole[-1])
        said = self._kill()
        if not self._ended.is_set():
            yield replace(self._last, error=said or "The devices' reader ended; it starts again.")
            self._ended.wait(RESTART_SECONDS)

    def _decoded(self, line: bytes) -> AcceleratorsRead:
        from trainer_core.accelerators.watch import decode

        try:
            inventory = decode(line)
        except msgspec.DecodeError as error:
            return replace(self._last, error=f"The devices' reader is not understood: {error}")
        return self._kept(inventory.devices, inventory.notes)

    def _kept(
        self, devices: tuple[DeviceSnapshot, ...], notes: tuple[str, ...]
    ) -> AcceleratorsRead:
        from trainer_core.accelerators.occupancy import accelerator_rows
        from trainer_core.accelerators.pool import AcceleratorPool
        from trainer_core.accelerators.waiting_runs import waiting_runs

        error = None
        try:
            rows = accelerator_rows(AcceleratorPool.load(devices))
        except UserError as trouble:
            rows, error = self._last.rows, str(trouble)
        self._last = AcceleratorsRead(devices, error, rows, notes, waiting_runs(devices))
        return replace(self._last)

    def _start(self) -> int:
        """Start the child; returns the descriptor its lines come from."""
        from trainer_core.run.processes.process import core_command, core_environment

        read_end, write_end = os.pipe()
        self._lines = open(read_end, "rb", buffering=0)
        try:
            self._child = subprocess.Popen(
                core_command("accelerators", "--watch", str(self.seconds)),
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=core_environment(),
            )
        finally:
            os.close(write_end)
        return read_end

    def _kill(self) -> str:
        """End the child and return the last line it left on its standard error."""
        child, self._child = self._child, None
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
        if child is None:
            return ""
        child.kill()
        _, errors = child.communicate()
        words = errors.decode("utf-8", "replace").strip().splitlines()
        return show_line(words[-1], 300) if words else ""


def cards_may_be_here() -> bool:
    """Say whether a driver's file or tool, or a script of devices, is to be seen."""
    if os.environ.get("MOAI_TUI_SCRIPTED_DEVICES"):
        return True
    if os.environ.get("MOAI_TUI_CPU_DEVICES"):
        return False
    return any(Path(sign).exists() for sign in CARD_SIGNS) or shutil.which("moreh-smi") is not None
