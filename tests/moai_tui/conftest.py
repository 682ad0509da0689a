"""The real app with scripted facts: no thread, no device, no run folder of the user."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.message import Message
from textual.screen import Screen

from moai_tui.app import MoaiApp
from moai_tui.messages import AcceleratorsRead, RunsListed
from trainer_core.accelerators.base import Accelerator, DeviceProcess, DeviceSnapshot, Size
from trainer_core.accelerators.occupancy import accelerator_rows
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.run.record.summary import RunSummary

GIB = 2**30
NOW = 1_795_521_600.0
"""The clock of every picture: 24 November 2026, 12:00 UTC."""


class RecordingLive:
    """Stands in for `live`: starts nothing and remembers every wish a screen had."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.stopped = False

    def start(self, post: Callable[[Message], object]) -> None:
        """Start nothing."""

    def wish(self, message: Message) -> None:
        """Remember it."""
        self.heard.append(message)

    def stop(self) -> None:
        """Remember it."""
        self.stopped = True


class ScriptedApp(MoaiApp):
    """The real app; hand it facts with `post_message`, read what screens wished in `heard`.

    `first` makes the screen under test, which lies above the home screen.
    """

    def __init__(self, first: Callable[[], Screen[Any]] | None = None, **options: Any) -> None:
        self.recorded = RecordingLive()
        super().__init__(live=self.recorded, **options)
        self.pace.seconds = 0.0  # tests do not wait for the next paint
        self.said: list[tuple[str, bool]] = []
        self.copied: list[str] = []
        self._make_first = first

    @property
    def heard(self) -> list[Message]:
        """Every wish, oldest first."""
        return self.recorded.heard

    def heard_of(self, kind: type) -> list[Any]:
        """Wishes of one kind, oldest first."""
        return [message for message in self.heard if isinstance(message, kind)]

    def on_mount(self) -> None:
        """Open the screen under test."""
        if self._make_first is not None:
            self.push_screen(self._make_first())

    def say(self, text: str, *, ok: bool = True) -> None:
        """Remember what the user was told, and show it."""
        self.said.append((text, ok))
        super().say(text, ok=ok)

    def copy_to_clipboard(self, text: str) -> None:
        """Remember what was copied."""
        self.copied.append(text)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own home, so nothing of the user's is read or written."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MOAI_TUI_RUNS", "MOAI_TUI_THEME", "MOAI_TUI_WORKER_PYTHON", "MOAI_TUI_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORFGBG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path


@pytest.fixture
def scripted_app() -> type[ScriptedApp]:
    """The class, to be built with the screen under test: `scripted_app(lambda: RunScreen("x"))`."""
    return ScriptedApp


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> float:
    """Stop the clock at `NOW`, in UTC, so that ages and ETAs say the same on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("time.time", lambda: NOW)
    real = time.localtime
    monkeypatch.setattr("time.localtime", lambda at=None: real(NOW if at is None else at))
    return NOW


class Facts:
    """Facts as `live` would post them, for pilots and pictures."""

    cpu = (
        DeviceSnapshot(
            uuid="cpu-0",
            index=0,
            kind="cpu",
            name="AMD EPYC 9654",
            total_memory_bytes=24 * GIB,
            memory_used_bytes=3 * GIB,
            utilization_percent=12.0,
        ),
    )
    """A host without cards, idle."""

    @staticmethod
    def cards(count: int = 8) -> tuple[DeviceSnapshot, ...]:
        """Cards of which run aaaaaa of "me" holds 1 and 2, and bob's process 5."""
        load = (0.0, 97.0, 94.0, 0.0, 0.0, 43.0, 0.0, 0.0)
        return tuple(
            DeviceSnapshot(
                uuid=f"GPU-{index}",
                index=index,
                kind="nvidia",
                name="NVIDIA H100 80GB HBM3",
                total_memory_bytes=81559 * 2**20,
                memory_used_bytes=(57_344 if load[index] else 512) * 2**20,
                utilization_percent=load[index],
                temperature_celsius=31.0 + 3 * index,
                power_watts=70.0 + 6 * load[index],
                power_limit_watts=700.0,
                held_by="20261124-110203-aaaaaa" if index in (1, 2) else None,
                held_by_user="me" if index in (1, 2) else None,
                processes=(DeviceProcess(pid=7, user="bob", command="python big.py"),)
                if index == 5
                else (),
            )
            for index in range(count)
        )

    @staticmethod
    def reading(devices: tuple[DeviceSnapshot, ...], *sizes: int) -> AcceleratorsRead:
        """A reading with one accelerator a size; the first is current."""
        memory = 24 if devices[0].kind == "cpu" else 80
        rows = tuple(
            Accelerator(
                index=index,
                size=Size(devices=count, device_memory_gb=memory),
                current=index == 0,
            )
            for index, count in enumerate(sizes or (1,))
        )
        pool = AcceleratorPool(rows, devices)
        return AcceleratorsRead(devices, rows=accelerator_rows(pool, user="me"))

    @staticmethod
    def run(number: int = 0, state: str = "running", **known: Any) -> RunSummary:
        """A run that began `number` + 1 hours before `NOW`."""
        fields: dict[str, Any] = {
            "id": f"20261124-{11 - number:02d}0203-{number:06x}",
            "name": None,
            "path": f"/runs/{number}",
            "state": state,
            "model": "tiny",
            "dataset": "python-stdlib",
            "created": NOW - 3600 * (number + 1),
            "elapsed_seconds": 1800.0,
        }
        return RunSummary(**(fields | known))

    @classmethod
    def runs(cls) -> RunsListed:
        """A list with every kind of state."""
        step = {"step": 120, "total_steps": 400, "train_loss": 1.2345, "tokens_per_second": 9549.0}
        return RunsListed(
            (
                cls.run(
                    0,
                    id="20261124-110203-aaaaaa",
                    name="alpaca-13b",
                    model="cerebras-gpt-13b",
                    dataset="bingsu/ko_alpaca_data",
                    size="Medium.160GB",
                    eta_seconds=3720.0,
                    eval_loss=1.5,
                    **step,
                ),
                cls.run(1, "queued", name="sweep-2", waits_for="bob"),
                cls.run(2, "starting", phase="tokenizing"),
                cls.run(3, "finished", name="first try", eval_loss=1.1, **(step | {"step": 400})),
                cls.run(4, "failed", **(step | {"train_loss": "nan", "total_steps": 1_200_000})),
                cls.run(5, "lost", **step),
                cls.run(6, "stopped", name="한국어 이름", **step),
            )
        )


@pytest.fixture
def facts() -> type[Facts]:
    """Devices, readings and runs for pilots."""
    return Facts
