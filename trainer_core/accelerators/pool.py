"""The user's accelerators: rows of a size each, one of them current, kept between calls.

An accelerator is a wish, not yet devices: those are bound when a run starts (`binding`). On a
MoAI machine the rows are the platform's own and are changed with the platform's commands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer_core import folders
from trainer_core.accelerators.base import SIZE_NAMES, Accelerator, DeviceSnapshot, Size
from trainer_core.accelerators.sizes import (
    DEVICES_BY_NAME,
    device_memory_gb,
    formable_devices,
    parse_label,
    why_not,
)
from trainer_core.errors import UserError

PLATFORM_LIMIT = 5
"""Most accelerators in one environment of the platform (its toolkit guide)."""


@dataclass(frozen=True, slots=True)
class AcceleratorPool:
    """All accelerators of this user on this machine; every change returns a new, saved pool."""

    accelerators: tuple[Accelerator, ...]
    devices: tuple[DeviceSnapshot, ...]
    """What the machine had when the pool was loaded."""

    @classmethod
    def load(cls, devices: Sequence[DeviceSnapshot]) -> AcceleratorPool:
        """Read the user's rows; one Small, current, where there are none yet.

        Raises:
            UserError: The stored file cannot be read, with its path.
        """
        devices = tuple(devices)
        platform = tuple(device for device in devices if device.kind == "moai")
        if platform:
            return cls(_platform_rows(platform), devices)
        names, current = _read(_path())
        memory_gb = device_memory_gb(devices)
        rows = tuple(
            Accelerator(
                index=index,
                size=Size(devices=count, device_memory_gb=memory_gb),
                current=index == current,
            )
            for index, count in enumerate(names)
        )
        return cls(rows, devices)

    @property
    def on_platform(self) -> bool:
        """Whether the rows belong to a MoAI machine."""
        return any(device.kind == "moai" for device in self.devices)

    @property
    def current(self) -> Accelerator:
        """The row a run gets unless it names another size."""
        return next((row for row in self.accelerators if row.current), self.accelerators[0])

    @property
    def limit(self) -> int:
        """Most rows: the platform's five, on own hardware one for each usable device."""
        return PLATFORM_LIMIT if self.on_platform else max(1, formable_devices(self.devices))

    def add(self, size: Size) -> AcceleratorPool:
        """Add a row of this size; it does not become the current one.

        Raises:
            UserError: There are as many rows as allowed, or the machine cannot form the size.
        """
        self._own()
        self._formable(size)
        if len(self.accelerators) >= self.limit:
            raise UserError(
                f"There are already {len(self.accelerators)} accelerators on "
                f"{self.limit} device{'s' if self.limit > 1 else ''}; remove one first with "
                "`moai-tui device --rm N`"
            )
        added = Accelerator(index=len(self.accelerators), size=size)
        return self._saved((*self.accelerators, added))

    def remove(self, index: int) -> AcceleratorPool:
        """Remove a row; those after it move up, and the first becomes current if it was.

        Raises:
            UserError: No such row, or it is the last one.
        """
        self._own()
        gone = self.row(index)
        if len(self.accelerators) == 1:
            raise UserError("The last accelerator cannot be removed; switch its size instead")
        rest = [row for row in self.accelerators if row is not gone]
        rows = tuple(
            replace(row, index=number, current=row.current or (gone.current and number == 0))
            for number, row in enumerate(rest)
        )
        return self._saved(rows)

    def switch(self, index: int, size: Size | None = None) -> AcceleratorPool:
        """Make a row current; with a size, also give it that size.

        Runs that go on are not touched: a switch counts for runs started afterwards.

        Raises:
            UserError: No such row, or the machine cannot form the size.
        """
        self._own()
        chosen = self.row(index)
        if size is not None:
            self._formable(size)
        rows = tuple(
            replace(row, current=row is chosen, size=size if size and row is chosen else row.size)
            for row in self.accelerators
        )
        return self._saved(rows)

    def row(self, index: int) -> Accelerator:
        """Return a row by its number.

        Raises:
            UserError: No such row; the sentence lists the numbers there are.
        """
        for accelerator in self.accelerators:
            if accelerator.index == index:
                return accelerator
        numbers = ", ".join(str(row.index) for row in self.accelerators)
        raise UserError(f"There is no accelerator {index}; choose one of {numbers}")

    def _own(self) -> None:
        if self.on_platform:
            raise UserError(
                "This machine's accelerators belong to the MoAI platform; change them with "
                "`moreh-switch-model` and `moreh-smi device`"
            )

    def _formable(self, size: Size) -> None:
        reason = why_not(size, self.devices)
        if reason:
            raise UserError(f"{size.label} {reason}; choose a smaller size")

    def _saved(self, rows: tuple[Accelerator, ...]) -> AcceleratorPool:
        pool = AcceleratorPool(rows, self.devices)
        _write(_path(), [row.size.name for row in rows], pool.current.index)
        return pool


def _path() -> Path:
    return folders.state_root() / "accelerators.yaml"


def _platform_rows(devices: Sequence[DeviceSnapshot]) -> tuple[Accelerator, ...]:
    small = Size(devices=1, device_memory_gb=device_memory_gb(devices))
    return tuple(
        Accelerator(
            index=device.index,
            size=parse_label(device.model or "") or small,
            current=device.current,
        )
        for device in devices
    )


def _read(path: Path) -> tuple[list[int], int]:
    """Return devices of each row and the current row's number."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [1], 0
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{path} cannot be read ({why}); mend or remove it") from error
    content = _parse(text, path)
    names = content.get("accelerators") if isinstance(content, dict) else None
    if not isinstance(names, list) or not names:
        raise _broken(path, "there is no list `accelerators`")
    counts = [DEVICES_BY_NAME.get(str(name).lower()) for name in names]
    known = [count for count in counts if count is not None]
    if len(known) < len(names):
        unknown = names[counts.index(None)]
        raise _broken(path, f"{unknown!r} is none of {', '.join(SIZE_NAMES.values())}")
    current = content.get("current", 0)
    valid = isinstance(current, int) and 0 <= current < len(known)
    return known, current if valid else 0


def _parse(text: str, path: Path) -> Any:
    """Parse YAML; ours is written as JSON, which needs no PyYAML (31 ms) to read back."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        from trainer_core.yaml_text import read_yaml

        try:
            return read_yaml(text, "it")
        except UserError as error:
            raise _broken(path, str(error)) from error


def _broken(path: Path, problem: str) -> UserError:
    return UserError(f"{path} cannot be used: {problem}; mend it or remove it to start afresh")


def _write(path: Path, names: list[str], current: int) -> None:
    """Replace the file in one step, so a reader never sees half of it."""
    from trainer_core.durable import write_whole

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps({"accelerators": names, "current": current}) + "\n"
        write_whole(path, content.encode())
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); set MOAI_TUI_HOME to a folder of yours"
        ) from error
