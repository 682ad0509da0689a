"""Peaks and speeds that runs have had here, kept in the state folder for the next prediction."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import msgspec

from trainer_core.accelerators.inventory import read_devices
from trainer_core.durable import write_whole
from trainer_core.folders import state_root
from trainer_core.plan.hardware import hardware_from
from trainer_core.plan.measured import setup_of
from trainer_core.plan.search import plan_of
from trainer_core.plan.types import Hardware, Measurement
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.workload import layout_of, workload_of
from trainer_core.run.forecast.calibration import with_calibration
from trainer_core.run.forecast.device_key import DeviceKey, key_of
from trainer_core.run.overview.summarize import read_view
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.view import RunView

WARM_STEPS, STEPS_LEAST = 2, 8
"""Steps left out at the start, and the fewest after them that say something of speed."""

KEPT = 400
"""Newest measurements that are kept."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file: a measurement and what it holds for."""

    key: DeviceKey
    run: str = ""
    measurement: Measurement


def measurements_path() -> Path:
    """Return the file; deleting it makes every prediction computed only."""
    return state_root() / "measured.jsonl"


def with_measured(hardware: Hardware) -> Hardware:
    """Return the hardware with what was measured on it under the same driver and torch."""
    if hardware.described:
        return hardware
    wanted = key_of(hardware)
    found = tuple(entry.measurement for entry in _read() if entry.key == wanted)
    return replace(hardware, measured=found)


def measured_here(precision: str) -> tuple[Measurement, ...]:
    """Return what was measured on the devices that are seen here; nothing costs next to nothing.

    Args:
        precision: As configured.
    """
    if not measurements_path().exists():
        return ()
    hardware = hardware_from(read_devices().devices, precision)
    return with_measured(hardware).measured if hardware is not None else ()


def remember(directory: RunDirectory) -> bool:
    """Keep what an ended run has measured, so that the next prediction is nearer.

    Returns:
        Whether there was anything to keep: a run that went through steps on devices that are
        still here. A file that cannot be written costs only that.
    """
    try:
        stored = _measure(directory)
        if stored is None:
            return False
        lines = [*(msgspec.json.encode(entry) for entry in _read()), msgspec.json.encode(stored)]
        write_whole(measurements_path(), b"\n".join(lines[-KEPT:]) + b"\n")
    except Exception:  # a run's last words do not hang on what it taught
        return False
    return True


def _measure(directory: RunDirectory) -> Stored | None:
    config, view = directory.config(), read_view(directory)
    started, step = view.started, view.step
    if started is None or step is None or config.sequence_length is None:
        return None
    shape = require_model(config.model, config.worker.python).shape
    hardware = hardware_from(read_devices().devices, config.precision)
    if shape is None or hardware is None:
        return None
    workload = workload_of(config, shape, hardware)
    layout = layout_of(config, shape, started.world_size)
    plan = plan_of(
        workload, with_calibration(replace(hardware, measured=()), workload.precision), layout
    )
    rate = _undisturbed_rate(view)
    measurement = Measurement(
        setup=setup_of(workload, plan),
        peak_memory_bytes=view.peak_memory_bytes,
        computed_memory_bytes=plan.memory.total,
        tokens_per_second=rate,
        computed_tokens_per_second=plan.tokens_per_second,
    )
    return Stored(
        key=key_of(hardware),
        run=directory.id,
        measurement=measurement,
    )


def _undisturbed_rate(view: RunView) -> float | None:
    """Return the padded tokens per second of the median step, which a freeze does not move."""
    spans = list(view.tokens_per_second.buckets.values())[WARM_STEPS:]
    rates = [span.total / span.count for span in spans if span.count]
    if len(rates) < STEPS_LEAST or not view.total_tokens:
        return None
    return statistics.median(rates) * view.total_padded_tokens / view.total_tokens


def _read() -> list[Stored]:
    """Return every line that can be read; others were written by another version."""
    try:
        lines = measurements_path().read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines[-KEPT:]:
        try:
            found.append(msgspec.json.decode(line, type=Stored))
        except msgspec.DecodeError:
            continue
    return found
