"""Everything the form knows at one moment; the screen makes it, every part draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from moai_tui.widgets.form.field_spec import Choice
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.plan.types import Verdict
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.fields import FieldValue, value_of
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.data_worker import Download

DEFAULTS = RunConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class FormState:
    """One draft and what is known of it. None is "not known yet"."""

    draft: RunConfig = DEFAULTS
    base: RunConfig = DEFAULTS
    """What the form was opened with."""
    resolved: RunConfig | None = None
    """The draft with every default chosen."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Field → why this default."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Field → what is wrong; the empty name is the whole draft."""
    verdict: Verdict | None = None
    report: DataReport | None = None
    data_problem: str | None = None
    """Why there is no report on the dataset."""
    reading_seconds: float | None = None
    """How long the dataset is being read; None while it is not."""
    download: Download | None = None
    """How far its download is, where it comes from the hub."""
    devices: tuple[DeviceSnapshot, ...] = ()
    notes: tuple[str, ...] = ()
    """Bounds of this machine, one sentence each: a variable or an allocation that bars devices."""
    models: tuple[Choice, ...] = ()
    datasets: tuple[Choice, ...] = ()

    def chosen(self, name: str) -> FieldValue:
        """Return what the run will have in a field: the user's value, else the default."""
        value = value_of(self.draft, name)
        if value is None and self.resolved is not None:
            value = value_of(self.resolved, name)
        return value

    def wrote(self, name: str) -> FieldValue:
        """Return what the user has in a field, None where it is left to the core."""
        return value_of(self.draft, name)

    def being_read(self) -> FormState:
        """Return the state while the dataset is looked at: what was found before says nothing."""
        return replace(self, report=None, data_problem=None, reading_seconds=0.0, download=None)

    def read(self, report: DataReport | None, problem: str | None) -> FormState:
        """Return the state once the dataset was looked at.

        Args:
            report: What was found; None where there is nothing.
            problem: Why there is no report.
        """
        state = replace(
            self, report=report, data_problem=problem, reading_seconds=None, download=None
        )
        problems = without(state.problems, "dataset") | data_problems(state)
        return replace(state, problems=problems)

    def changed(self, name: str) -> bool:
        """Say whether the user changed a field since the form opened."""
        return value_of(self.draft, name) != value_of(self.base, name)


DATA_FIELDS = ("model", "dataset", "eval_dataset", "sequence_length", "skip_bad_rows")
"""Fields outside `data.` that change what the model sees: the tokenizer, the rows, the length."""


def data_key(draft: RunConfig) -> tuple[object, ...]:
    """Return what a report on the data depends on; equal keys share a report."""
    return (*(value_of(draft, name) for name in DATA_FIELDS), draft.data)


def device_key(devices: tuple[DeviceSnapshot, ...]) -> tuple[object, ...]:
    """Return what the form shows of the devices: loads that come and go are not part of it."""
    return tuple(
        (
            device.uuid,
            device.index,
            device.permitted,
            device.held_by,
            device.total_memory_bytes,
            tuple((process.pid, process.user) for process in device.processes),
        )
        for device in devices
    )


def data_problems(state: FormState) -> dict[str, str]:
    """Return what the report says against a start, by field."""
    if state.data_problem is not None:
        return {"dataset": state.data_problem}
    report = state.report
    if report is None:
        return {}
    whole = next((error for error in report.errors if error.row is None), None)
    if whole is not None:
        return {"dataset": f"{whole.file}: {whole.message}; {whole.fix}"}
    if report.error_count and not state.draft.skip_bad_rows:
        return {"dataset": _broken_rows(report)}
    return {}


def _broken_rows(report: DataReport) -> str:
    """Say which row is broken and what to do; of several the first, and how many there are."""
    first = report.errors[0]
    if report.error_count == 1:
        return f"row {first.row} {first.message}; {first.fix}, or set Skip bad rows under Advanced"
    return (
        f"{report.error_count} broken rows, the first is row {first.row}; mend them, "
        "or set Skip bad rows under Advanced"
    )


def by_field(problems: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the first problem of each field, without the field's name in front of it."""
    found: dict[str, str] = {}
    for name, sentence in problems:
        found.setdefault(name, sentence.removeprefix(f"{name}: "))
    return found


def verdict_problems(verdict: Verdict | None) -> dict[str, str]:
    """Return what the verdict says against a start: a size that does not fit."""
    choice = verdict.choice if verdict is not None else None
    if verdict is None or (choice is not None and choice.verdict in ("fits", "tight")):
        return {}
    why = choice.why if choice is not None and choice.why else verdict.reason
    return {"size": why or "this does not fit on this machine"}


def without(problems: Mapping[str, str], field: str) -> dict[str, str]:
    """Return the problems but those of one field and of the whole draft."""
    return {name: text for name, text in problems.items() if name not in (field, "")}
