"""Measured rates of the devices here, kept until their driver or torch changes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from trainer_core.durable import write_whole
from trainer_core.errors import UserError
from trainer_core.folders import state_root
from trainer_core.plan.types import Hardware
from trainer_core.run.forecast.device_key import DeviceKey, key_of

SECONDS_LIMIT = 180.0

CARD_REACHED = 0.8
"""Share of a card's peak that a large product reaches: 790 of 989 TFLOP/s in bf16 on one H100.
The time model's shares are of the peak."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of one device, operations or bytes per second."""

    key: DeviceKey
    fp32_flops: float
    memory_bandwidth: float
    bf16_flops: float | None = None
    link_bandwidth: float | None = None


def calibration_path() -> Path:
    """Return the file; deleting it makes the vendors' figures count again."""
    return state_root() / "calibration.json"


def calibrate(hardware: Hardware, python: str | None = None) -> Calibration:
    """Measure the devices in a process of their own and keep the rates.

    Args:
        hardware: What is measured; its devices should be idle.
        python: Interpreter whose torch trains; None is ours.

    Raises:
        UserError: The interpreter could not measure, or what it said cannot be kept.
    """
    ranks = hardware.devices if hardware.kind == "cpu" else 1
    with TemporaryDirectory() as folder:
        command = [python or sys.executable, "-m", "trainer_core", "calibrate"]
        command += ["--ranks", str(ranks), "--meeting", str(Path(folder) / "meeting")]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=SECONDS_LIMIT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"the devices could not be measured: {error}") from None
    try:
        rates = json.loads((done.stdout.splitlines() or [""])[-1])
        found = Calibration(key=key_of(hardware), **rates)
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"the devices could not be measured: {last}") from None
    state_root().mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(calibration_path(), msgspec.json.encode(found) + b"\n")
    return found


def read_calibration(hardware: Hardware) -> Calibration | None:
    """Return what was measured of these devices under the same driver and torch."""
    try:
        found = msgspec.json.decode(calibration_path().read_bytes(), type=Calibration)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.key == key_of(hardware) else None


def with_calibration(hardware: Hardware, precision: str = "bf16") -> Hardware:
    """Return the hardware with measured rates where there are any.

    Args:
        hardware: Of this machine.
        precision: `fp32` or `bf16`: which rate is meant.
    """
    found = None if hardware.described else read_calibration(hardware)
    if found is None:
        return hardware
    rate = found.fp32_flops
    if hardware.kind != "cpu":
        rate = (found.bf16_flops if precision != "fp32" else None) or found.fp32_flops
        rate /= CARD_REACHED
    return replace(
        hardware,
        matmul_flops=rate,
        memory_bandwidth=found.memory_bandwidth,
        link_bandwidth=found.link_bandwidth or hardware.link_bandwidth,
    )
