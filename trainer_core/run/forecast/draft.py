"""What a form or a command asks: given this draft and these devices, what would it take?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import find_device
from trainer_core.accelerators.sizes import parse_size
from trainer_core.errors import ConfigError, UserError
from trainer_core.plan.choose import make_verdict
from trainer_core.plan.hardware import hardware_from, settled_precision
from trainer_core.plan.types import Hardware, ModelShape, SizeVerdict, Verdict
from trainer_core.run.config.cadence import steps_beside
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.check import check, check_devices, check_shape
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.data_size import estimated_steps
from trainer_core.run.config.defaults import resolve, run_costs
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.config.time_limit import limit_seconds, steps_that_fit
from trainer_core.run.config.workload import apply_plan, workload_of
from trainer_core.run.forecast.calibration import with_calibration
from trainer_core.run.forecast.measured import with_measured

TIME_ESTIMATED = "time estimated from the size of the data; it is exact once the data is counted"
SAVED_BYTES_PER_PARAMETER = 16
"""Of the last checkpoint (fp32 and both moments) and the model folder."""
TIME_UNKNOWN = "time unknown until the data is counted; steps would settle it"


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftVerdict:
    """The core's answer to a draft."""

    config: RunConfig
    """The draft with its open fields filled as far as they can be."""
    verdict: Verdict | None
    """None where a problem, or an unknown shape, leaves nothing to judge."""
    problems: tuple[tuple[str, str], ...] = ()
    """(field, sentence); an empty field means the whole draft."""
    choices: tuple[str, ...] = ()
    shape: ModelShape | None = None
    hardware: Hardware | None = None

    @property
    def ready(self) -> RunConfig:
        """The config with the chosen plan written into it; what a run starts from."""
        choice = self.verdict.choice if self.verdict else None
        plan = choice.plan if choice else None
        return apply_plan(self.config, plan) if plan else self.config


def verdict_for(
    config: RunConfig,
    devices: Sequence[DeviceSnapshot] | Hardware,
    report: DataReport | None = None,
) -> DraftVerdict:
    """Check, resolve and plan a draft; what its user did wrong is told, never raised.

    Args:
        config: As the form or the flags have it.
        devices: Of this machine, or a described machine.
        report: Of the config's dataset, where it was counted.
    """
    problems = [(error.field, str(error)) for error in check(config)]
    hardware: Hardware | None = None
    shape: ModelShape | None = None
    try:
        hardware = _hardware(config, devices)
        if hardware is None:
            problems.append(("devices", "no permitted device is seen; `moai-tui doctor` says why"))
    except ConfigError as error:
        problems.append((error.field, str(error)))
    try:
        shape = require_model(config.model, config.worker.python).shape
    except UserError as error:
        problems.append(("model", str(error)))
    if problems or hardware is None or shape is None:
        return DraftVerdict(
            config=config, verdict=None, problems=tuple(problems), shape=shape, hardware=hardware
        )
    resolved = resolve(config, shape, hardware, report)
    verdict, errors = _judged(resolved.config, shape, hardware, report)
    return DraftVerdict(
        config=resolved.config,
        verdict=verdict,
        problems=tuple((error.field, str(error)) for error in errors),
        choices=resolved.choices,
        shape=shape,
        hardware=hardware,
    )


def _judged(
    config: RunConfig, shape: ModelShape, hardware: Hardware, report: DataReport | None
) -> tuple[Verdict | None, list[ConfigError]]:
    """Plan a resolved draft; None and why where its parts do not go together."""
    size, errors = _size_devices(config, hardware)
    errors += check_shape(config, shape)
    if errors:
        return None, errors
    workload = workload_of(config, shape, hardware, report)
    notes: tuple[str, ...] = ()
    if workload.steps is None:
        workload = replace(workload, steps=estimated_steps(config))
        notes = (TIME_ESTIMATED,) if workload.steps else (TIME_UNKNOWN,)
    verdict = make_verdict(workload, hardware, size)
    if workload.steps:
        beside = steps_beside(config, workload.steps, run_costs(config, hardware.kind, report))
        verdict = _with_time(verdict, 1 + beside / workload.steps)
    notes += _time_notes(config, verdict, workload.steps, shape) if not hardware.described else ()
    # A batch no plan divides shows per size; for the size asked for it is a mistake.
    unplanned = size is not None and verdict.choice is not None and verdict.choice.plan is None
    mistakes = check_devices(config, size) if size is not None and unplanned else []
    if unplanned and not mistakes and verdict.choice is not None:
        mistakes = _split_mistakes(verdict.choice)
    return replace(verdict, notes=(*verdict.notes, *notes)), mistakes


def _split_mistakes(choice: SizeVerdict) -> list[ConfigError]:
    """Return what is wrong with degrees that were asked for, where no plan has them."""
    field, text = choice.mend or ("", "")
    if not field.startswith("parallel."):
        return []
    problem, _, fix = choice.why.removeprefix(f"{field}: ").rpartition("; ")
    return [ConfigError(field, text, fix, problem)] if problem else []


def _with_time(verdict: Verdict, factor: float) -> Verdict:
    """Return the verdict with its times longer by what evaluations and checkpoints take."""

    def longer(size: SizeVerdict | None) -> SizeVerdict | None:
        if size is None or size.plan is None or size.plan.seconds is None:
            return size
        return replace(size, plan=replace(size.plan, seconds=size.plan.seconds * factor))

    return replace(
        verdict,
        sizes=tuple(found for size in verdict.sizes if (found := longer(size))),
        choice=longer(verdict.choice),
        runner_up=longer(verdict.runner_up),
    )


def _time_notes(
    config: RunConfig, verdict: Verdict, steps: int | None, shape: ModelShape
) -> tuple[str, ...]:
    """Say how many steps fit in the time limit, where it comes before the end of the run."""
    limit = limit_seconds(config.time_limit)
    plan = verdict.choice.plan if verdict.choice else None
    if limit is None or not steps or plan is None or plan.seconds is None:
        return ()
    fitting = steps_that_fit(
        limit,
        step_seconds=plan.seconds / steps,  # evaluations and saves shared out
        saved_bytes=SAVED_BYTES_PER_PARAMETER * shape.parameters,
    )
    if fitting >= steps:
        return ()
    time = f"{limit:.0f} s" if limit < 120 else f"{limit / 60:.0f} min"
    return (f"about {fitting:,} of {steps:,} steps fit in the {time} there are",)


def _hardware(config: RunConfig, devices: Sequence[DeviceSnapshot] | Hardware) -> Hardware | None:
    if isinstance(devices, Hardware):
        return devices
    named = [find_device(devices, name) for name in config.devices]
    found = hardware_from(named or devices, config.precision)
    if found is None:
        return None
    precision = settled_precision(found.kind, found.name, config.precision)
    return with_measured(with_calibration(found, precision))


def _size_devices(config: RunConfig, hardware: Hardware) -> tuple[int | None, list[ConfigError]]:
    if config.size is not None:
        try:
            return parse_size(config.size, hardware.device_memory_gb).devices, []
        except ConfigError as error:
            return None, [error]
    return (len(config.devices) or None), []
