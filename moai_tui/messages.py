"""Messages that cross screens: facts from `live` to the app, and wishes from screens to the app.

A message that can replace an unhandled older one only says "there is more": what it carries
is complete in itself, so nothing is lost when it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.message import Message

from moai_tui.told import Told

if TYPE_CHECKING:  # types only: loading them all costs a tenth of the start
    from trainer_core.accelerators.base import DeviceProcess, DeviceSnapshot, Size
    from trainer_core.accelerators.occupancy import AcceleratorRow
    from trainer_core.accelerators.waiting_runs import WaitingRun
    from trainer_core.plan.types import Verdict
    from trainer_core.run.config.catalog import DatasetEntry, ModelEntry
    from trainer_core.run.config.data_report import DataReport
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.processes.data_worker import Download
    from trainer_core.run.record.control import Action
    from trainer_core.run.record.summary import RunSummary
    from trainer_core.run.record.view import RunView


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
    waiting: tuple[WaitingRun, ...] = ()
    """Everybody's runs that wait for devices, first served first."""

    def can_replace(self, message: Message) -> bool:
        """Newest reading wins."""
        return isinstance(message, AcceleratorsRead)


class RunsListed(Told):
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


class TroubleMet(Told):
    """Something of the dashboard's own does not work; one sentence, said once."""

    text: str


class Wish(Told):
    """What a screen wants; the app hands every one of them to `live`."""

    changes: ClassVar[bool] = False
    """Whether it starts, stops or changes something: never in view-only mode."""


class RunWish(Wish):
    """A wish about runs that takes time: carried out by `run_calls`, in a thread of its own."""


class DeviceWish(Wish):
    """A wish about this machine or its settings: carried out by `device_calls`, in a thread."""

    changes = True


class PoolChangeWanted(DeviceWish):
    """The user wants other accelerators: one more, one less, another current, another size."""

    action: Literal["add", "remove", "switch", "resize"]
    machine: tuple[DeviceSnapshot, ...]
    """The newest reading: devices are not read in the dashboard's own process."""
    index: int = 0
    """Row that is meant; unused for `add`."""
    size: Size | None = None
    """What is added, or what the row becomes."""


class SignalWanted(DeviceWish):
    """The user confirmed a signal to a process of their own."""

    process: DeviceProcess
    signal_name: Literal["INT", "TERM", "KILL"]


class SettingWanted(DeviceWish):
    """The user typed a value for a setting; nothing is its default."""

    key: str
    text: str


class DeviceAnswered(Told):
    """A `DeviceWish` was carried out, or one sentence why not."""

    text: str
    ok: bool


class RunsWanted(Wish):
    """A list of runs came on screen, or left it."""

    visible: bool


class FollowWanted(Wish):
    """A screen shows this run and wants its events; None stops following."""

    run_id: str | None


class PlanWanted(Wish):
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


class DataWanted(Wish):
    """The form chose a dataset (or what shapes its rows): what would the model see?"""

    draft: RunConfig


class DataReady(Told):
    """The worker's report on the newest dataset, or one sentence why there is none."""

    draft: RunConfig
    report: DataReport | None
    problem: str | None = None
    download: Download | None = None
    """How far the dataset's download is; then report and problem are still to come."""

    def can_replace(self, message: Message) -> bool:
        """Newest draft wins; how far a download is never takes the place of an answer."""
        return isinstance(message, DataReady) and (
            self.download is None or message.download is not None
        )


class CatalogWanted(Wish):
    """The form opened: which models and datasets are there?"""

    model_folders: tuple[str, ...] = ()
    """Folders of the settings whose subfolders are models."""
    worker_python: str | None = None
    """Interpreter whose packages may bring a model along."""


class CatalogRead(Told):
    """Models and datasets: those on this machine first, then what can be fetched."""

    models: tuple[ModelEntry, ...]
    datasets: tuple[DatasetEntry, ...]


class LaunchRequested(Wish):
    """The user pressed start on a valid form."""

    changes = True

    config: RunConfig


class LaunchEnded(Told):
    """The run was started, or one sentence why not."""

    run_id: str | None
    problem: str | None = None


class StopRequested(Wish):
    """The user confirmed stopping a run."""

    changes = True

    run_id: str


class ResumeRequested(Wish):
    """The user wants a stopped, failed or lost run to go on."""

    changes = True

    run_id: str


class ActionEnded(Told):
    """A request to a run was answered, in one sentence."""

    run_id: str
    text: str
    ok: bool


class ControlRequested(RunWish):
    """The user wants something of a living run: `pause`, `resume`, `save`, `set` or `extend`."""

    changes = True

    run_id: str
    action: Action
    arguments: tuple[tuple[str, float | int], ...] = ()
    """(name, value) pairs, as `run.control.send_request` takes them."""


class RunsToCompareWanted(RunWish):
    """A chart wants the whole of these runs; the first one is compared with the rest."""

    run_ids: tuple[str, ...]


@dataclass
class ReadRun:
    """One run as a comparison needs it."""

    summary: RunSummary
    view: RunView
    config: RunConfig


class RunsToCompareRead(Told):
    """The runs of the newest `RunsToCompareWanted`, in its order; unreadable ones left out."""

    runs: tuple[ReadRun, ...]
    wanted: tuple[str, ...]
    problem: str | None = None
    """Why a run is missing, one sentence."""


class FormWanted(RunWish):
    """The user wants the form filled from this run."""

    run_id: str


class FormFilled(Told):
    """The configuration to fill the form from, or one sentence why there is none."""

    run_id: str
    config: RunConfig | None
    problem: str | None = None
    change: tuple[tuple[str, str], ...] = ()
    """Fields and texts under which a run that did not fit would; the form marks them."""


class WordsChanged(RunWish):
    """The user named a run, tagged it or wrote a note."""

    changes = True

    run_id: str
    name: str
    tags: tuple[str, ...]
    notes: str


class TrashWanted(RunWish):
    """The user confirmed that these runs go into the trash."""

    changes = True

    folders: tuple[str, ...]
    """Absolute paths of their run folders."""


class RestoreWanted(RunWish):
    """The user wants back what went into the trash last."""

    changes = True

    folders: tuple[str, ...]
    """Where the run folders stood."""


class WordsWanted(RunWish):
    """A dialog wants the name, tags and notes of a run, and what its folder holds."""

    run_id: str


class WordsRead(Told):
    """What people say of a run, and what would be lost with it."""

    run_id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    folder_bytes: int = 0
    """On disk, as files are long."""
    checkpoints: int = 0
    has_model: bool = False
