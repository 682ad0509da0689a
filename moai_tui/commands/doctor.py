"""`moai-tui doctor`: what is installed, seen and usable here, and the way out of what is not."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import trainer_core
from trainer_core import folders
from trainer_core.accelerators.base import GIB, DeviceSnapshot
from trainer_core.accelerators.binding import why_busy
from trainer_core.accelerators.host_checks import (
    Check,
    check_disk,
    check_locks,
    check_logout,
    check_state_folder,
)
from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.accelerators.worker_torch import TorchFacts, driver_cuda, probe, why_unusable
from trainer_core.errors import ConfigError
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    import typer

USAGE = """\
Usage: moai-tui doctor [--calibrate] [--json] [-h | --help]

Look at this machine and say what a run would stumble over, with the way out. Changes nothing.
--calibrate  measure how fast the devices multiply, move memory and talk to each other (seconds, on
             idle devices) and keep it: predictions then start from it. Once for each driver and
             torch; runs correct predictions by themselves.
Exit code 0: nothing is in the way; 1: something is.
"""

NEEDED = ("textual", "psutil", "PyYAML", "platformdirs", "msgspec", "typer", "nvidia-ml-py")
TRAINING = ("torch", "transformers", "datasets", "safetensors", "accelerate", "gguf")
EXTRA = ("peft", "liger-kernel", "torchao", "tensorboardX")
MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    from moai_tui.commands.plain_arguments import add

    add(app, "doctor", run, "What is installed, seen and usable here.")


def run(argv: Sequence[str]) -> int:
    """Answer `moai-tui doctor` with these arguments; returns the exit code.

    Raises:
        ConfigError: A word that is not known.
    """
    if any(word in ("-h", "--help") for word in argv):
        sys.stdout.write(USAGE)
        return 0
    unknown = [word for word in argv if word not in ("--json", "--calibrate")]
    if unknown:
        raise ConfigError("doctor", " ".join(unknown), "use --calibrate, --json or nothing")
    if "--calibrate" in argv:
        return _calibrate(as_json="--json" in argv)
    return _answer(as_json="--json" in argv)


def _calibrate(*, as_json: bool) -> int:
    from trainer_core.plan.hardware import hardware_from
    from trainer_core.run.forecast.calibration import calibrate, calibration_path

    hardware = hardware_from(read_devices().devices)
    if hardware is None:
        raise ConfigError("doctor", "--calibrate", "see `moai-tui doctor`", "no device may be used")
    found = calibrate(hardware, os.environ.get("MOAI_TUI_WORKER_PYTHON") or None)
    rates = {
        "fp32 products": (found.fp32_flops, "GFLOP/s"),
        "bf16 products": (found.bf16_flops, "GFLOP/s"),
        "memory": (found.memory_bandwidth, "GB/s"),
        "link": (found.link_bandwidth, "GB/s"),
    }
    if as_json:
        values = {name: rate for name, (rate, _) in rates.items()}
        sys.stdout.write(json.dumps({"device": hardware.name, **values}, indent=2) + "\n")
        return 0
    sys.stdout.write(
        show_line(f"{hardware.name}: measured and kept in {calibration_path()}") + "\n"
    )
    for name, (rate, unit) in rates.items():
        if rate is not None:
            sys.stdout.write(f"  {name:<14} {rate / 1e9:>10,.1f} {unit}\n")
    return 0


def examine() -> tuple[Inventory, TorchFacts | str, list[Check]]:
    """Look at everything; takes the seconds that importing torch takes in a child process."""
    inventory = read_devices()
    worker = os.environ.get("MOAI_TUI_WORKER_PYTHON") or None
    facts = probe(worker)
    checks = [
        _python(),
        _packages("packages", NEEDED, "pip install moai-tui"),
        *_stray_packages(),
        *_devices(inventory),
        _worker(inventory, facts, worker),
        check_locks(),
        check_state_folder(folders.state_root(), "MOAI_TUI_HOME"),
        check_logout(),
        check_disk(folders.runs_root(), "disk for runs"),
        check_disk(folders.cache_root(), "disk for caches"),
    ]
    return inventory, facts, checks


def _answer(*, as_json: bool) -> int:
    inventory, facts, checks = examine()
    if as_json:
        sys.stdout.write(json.dumps(_facts(inventory, facts, checks), indent=2) + "\n")
    else:
        for check in checks:
            way_out = f"; {check.fix}" if check.fix else ""
            line = f"{MARKS[check.state]}  {check.name}: {check.text}{way_out}"
            sys.stdout.write(show_line(line) + "\n")
    return 1 if any(check.state == "problem" for check in checks) else 0


def _facts(
    inventory: Inventory, facts: TorchFacts | str, checks: Sequence[Check]
) -> dict[str, Any]:
    return {
        "version": trainer_core.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*NEEDED, *TRAINING, *EXTRA)},
        "worker_torch": {"problem": facts} if isinstance(facts, str) else asdict(facts),
        "devices": [asdict(device) for device in inventory.devices],
        "not_seen": list(inventory.absent),
        "notes": list(inventory.notes),
        "checks": [asdict(check) for check in checks],
    }


def _python() -> Check:
    text = f"moai-tui {trainer_core.__version__} on Python {platform.python_version()}"
    return Check(name="program", state="ok", text=f"{text} ({sys.executable})")


def _packages(name: str, wanted: Sequence[str], way_out: str) -> Check:
    found = {package: _version(package) for package in wanted}
    missing = [package for package, version in found.items() if version is None]
    text = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    if not missing:
        return Check(name=name, state="ok", text=text)
    text = f"{', '.join(missing)} missing" + (f"; there are {text}" if text else "")
    return Check(name=name, state="problem", text=text, fix=way_out)


def _stray_packages() -> Iterator[Check]:
    """Warn of packages whose mere presence harms torch; name the optional ones that are here."""
    present = [f"{name} {version}" for name in EXTRA if (version := _version(name))]
    if present:
        yield Check(name="optional packages", state="ok", text=", ".join(present))
    if _version("pynvml"):
        yield Check(
            name="pynvml",
            state="warning",
            text="this package makes every import of torch print a warning",
            fix="pip uninstall pynvml; nvidia-ml-py is enough",
        )


def _devices(inventory: Inventory) -> Iterator[Check]:
    for device in inventory.devices:
        yield _device(device)
    for note in inventory.notes:
        yield Check(name="bound", state="ok", text=note)
    for reason in inventory.absent:
        name, _, text = reason.partition(": ")
        yield Check(name=f"not seen, {name}", state="ok", text=text or reason)
    if not inventory.permitted:
        yield Check(
            name="devices",
            state="problem",
            text="no device may be used",
            fix="look at CUDA_VISIBLE_DEVICES and the batch job's allocation",
        )


def _device(device: DeviceSnapshot) -> Check:
    name = f"device {device.index}"
    if device.error:
        way_out = "look at dmesg; a lost card comes back with a reset or a reboot"
        return Check(name=name, state="problem", text=device.error, fix=way_out)
    words = [device.name]
    if device.total_memory_bytes:
        words.append(f"{device.total_memory_bytes / GIB:.1f} GiB")
    if device.cores:
        words.append(f"{len(device.cores)} core{'s' if len(device.cores) > 1 else ''}")
    if device.driver_version:
        words.append(f"driver {device.driver_version}")
    busy = why_busy(device)
    words.append(f"used by {busy}" if busy else "idle")
    if not device.permitted:
        words.append("not permitted")
    return Check(name=name, state="ok", text=", ".join(words))


def _worker(inventory: Inventory, facts: TorchFacts | str, worker: str | None) -> Check:
    reason = why_unusable(facts, inventory.permitted, driver_cuda(inventory.devices), worker)
    if reason is not None or isinstance(facts, str):
        return Check(name="worker", state="problem", text=reason or str(facts))
    build = f"CUDA {facts.cuda}" if facts.cuda else f"ROCm {facts.hip}" if facts.hip else "CPU"
    place = f" in {worker}" if worker else ""
    found = [f"{name} {version}" for name in TRAINING[1:] if (version := _version(name))]
    text = f"torch {facts.torch} ({build}) on Python {facts.python}{place} can use what is here"
    return Check(name="worker", state="ok", text=", ".join([text, *([] if worker else found)]))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
