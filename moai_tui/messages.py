"""Messages that cross screens: facts from `live` to the app, and wishes from screens to the app.

A message that can replace an unhandled older one only says "there is more": what it carries
is complete in itself, so nothing is lost when it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:  # types only: loading them all costs a tenth of the start
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.accelerators.occupancy import AcceleratorRow
    from trainer_core.plan.types import Verdict
    from trainer_core.run.catalog import DatasetEntry, ModelEntry
    from trainer_core.run.config import RunConfig
    from trainer_core.run.data_report import DataReport
    from trainer_core.run.summary import RunSummary
    from trainer_core.run.view import RunView


@dataclass
class AcceleratorsRead(Message):
    """Every device was read once."""

    devices: tuple[DeviceSnapshot, ...]
    error: str | None = None
    """One sentence when the reading process is late or gone."""
    rows: tuple[AcceleratorRow, ...] = ()
    """The user's accelerators and what holds them; one of them is current."""
    notes: tuple[str, ...] = ()
    """Bounds and oddities of this machine, one sentence each."""

    def can_replace(self, message: Message) -> bool:
        """Newest reading wins."""
        return isinstance(message, AcceleratorsRead)


@dataclass
class RunsListed(Message):
    """The run folders were looked through; newest run first."""

    runs: tuple[RunSummary, ...]

    def can_replace(self, message: Message) -> bool:
        """Newest list wins."""
        return isinstance(message, RunsListed)


@dataclass
class RunUpdated(Message):
    """The followed run has new events; `view` is the whole run, folded."""

    run_id: str
    view: RunView
    summary: RunSummary
    log_lines: tuple[str, ...] = ()
    """Tail of rank 0's log, already safe to show; newest last."""

    def can_replace(self, message: Message) -> bool:
        """Newest state of the same run wins."""
        return isinstance(message, RunUpdated) and message.run_id == self.run_id


@dataclass
class TroubleMet(Message):
    """Something of the dashboard's own does not work; one sentence, said once."""

    text: str


@dataclass
class RunsWanted(Message):
    """A list of runs came on screen, or left it."""

    visible: bool


@dataclass
class FollowWanted(Message):
    """A screen shows this run and wants its events; None stops following."""

    run_id: str | None


@dataclass
class PlanWanted(Message):
    """The form changed: what would it take?"""

    draft: RunConfig


@dataclass
class PlanReady(Message):
    """The planner's answer to the newest draft; `problems` are (field, sentence) pairs."""

    draft: RunConfig
    verdict: Verdict | None
    problems: tuple[tuple[str, str], ...] = ()
    """A field's dotted name, or "" for the whole draft, and what is wrong with it."""
    resolved: RunConfig | None = None
    """The draft with every default chosen (`run.defaults.resolve`); None where it cannot be."""
    reasons: tuple[tuple[str, str], ...] = ()
    """(field, why this default) as `run.defaults.explain` says it, for fields left open."""

    def can_replace(self, message: Message) -> bool:
        """Newest draft wins."""
        return isinstance(message, PlanReady)


@dataclass
class DataWanted(Message):
    """The form chose a dataset (or what shapes its rows): what would the model see?"""

    draft: RunConfig


@dataclass
class DataReady(Message):
    """The worker's report on the newest dataset, or one sentence why there is none."""

    draft: RunConfig
    report: DataReport | None
    problem: str | None = None

    def can_replace(self, message: Message) -> bool:
        """Newest draft wins."""
        return isinstance(message, DataReady)


@dataclass
class CatalogWanted(Message):
    """The form opened: which models and datasets are there?"""

    model_folders: tuple[str, ...] = ()
    """Folders of the settings whose subfolders are models."""
    worker_python: str | None = None
    """Interpreter whose packages may bring a model along."""


@dataclass
class CatalogRead(Message):
    """Models and datasets: those on this machine first, then what can be fetched."""

    models: tuple[ModelEntry, ...]
    datasets: tuple[DatasetEntry, ...]


@dataclass
class LaunchRequested(Message):
    """The user pressed start on a valid form."""

    config: RunConfig


@dataclass
class LaunchEnded(Message):
    """The run was started, or one sentence why not."""

    run_id: str | None
    problem: str | None = None


@dataclass
class StopRequested(Message):
    """The user confirmed stopping a run."""

    run_id: str


@dataclass
class ResumeRequested(Message):
    """The user wants a stopped, failed or lost run to go on."""

    run_id: str


@dataclass
class ActionEnded(Message):
    """A request to a run was answered, in one sentence."""

    run_id: str
    text: str
    ok: bool
