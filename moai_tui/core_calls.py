"""Calls into the core that take time: each answers with a message and never raises.

`live` runs them in its threads; nothing here starts one or touches a widget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from textual.message import Message

from moai_tui.messages import ActionEnded, CatalogRead, DataReady, LaunchEnded, PlanReady
from trainer_core.errors import UserError
from trainer_core.foreign_text import show, show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.plan.types import Verdict
    from trainer_core.run.config.data_report import DataReport
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.processes.data_worker import DataWorker, Download

Post = Callable[[Message], object]

STOP_SECONDS = 20.0
"""How long a stop waits for the run's answer before it only says that it was asked."""

LOG_LINES = 200
LOG_BYTES = 32 * 1024

EXPLAINED = (
    "sequence_length",
    "global_batch_size",
    "learning_rate",
    "steps",
    "epochs",
    "optimizer.warmup_steps",
    "eval.every_steps",
    "checkpoint.every_steps",
    "precision",
    "worker.threads",
)
"""Fields of the form whose default is told with its reason."""


def sentence(error: BaseException, doing: str) -> str:
    """Return one sentence for people: a user's mistake as it is, anything else with its kind."""
    if isinstance(error, UserError):
        return show(str(error), 2000)
    return show_line(f"{doing}: {type(error).__name__}: {error}", 500)


def plan_answer(
    draft: RunConfig, devices: tuple[DeviceSnapshot, ...], report: DataReport | None
) -> PlanReady:
    """Return the verdict on a draft, with the defaults it leads to and why."""
    from trainer_core.run.forecast.disk_plan import with_disk
    from trainer_core.run.forecast.draft import verdict_for

    try:
        found = with_disk(verdict_for(_sized(draft, devices), devices, report))
        verdict = _with_danger(found.verdict)
        chosen = _chosen_for(found.choices)
        reasons = [(field, chosen.get(field) or _reason(field, draft)) for field in EXPLAINED]
    except Exception as error:  # the outermost line of the planner's thread
        return PlanReady(draft, None, (("", sentence(error, "The planner failed")),))
    return PlanReady(draft, verdict, tuple(found.problems), found.config,
                     tuple(pair for pair in reasons if pair[1]))  # fmt: skip


def _with_danger(verdict: Verdict | None) -> Verdict | None:
    """Return the verdict with a warning where a log-out would kill what is started here."""
    from trainer_core.run.processes.session import logout_danger

    danger = logout_danger() if verdict is not None else None
    if verdict is None or danger is None:
        return verdict
    warning = f"{danger.text}; {danger.fix}" if danger.fix else danger.text
    return replace(verdict, notes=(warning, *verdict.notes))


def _chosen_for(choices: Sequence[str]) -> dict[str, str]:
    """Return the reason of each default that was chosen for this draft.

    A choice is `learning_rate 0.003: usual for fresh weights`; its reason knows the draft, where
    the general one of a field does not.
    """
    chosen: dict[str, str] = {}
    for choice in choices:
        default, _, reason = choice.partition(": ")
        chosen[default.split(" ", 1)[0]] = reason
    return chosen


def _sized(draft: RunConfig, devices: tuple[DeviceSnapshot, ...]) -> RunConfig:
    """Return the draft with the size a start would give it: the current accelerator's."""
    from trainer_core.accelerators.pool import AcceleratorPool

    if draft.size is not None or draft.devices or not devices:
        return draft
    size = AcceleratorPool.load(devices).current.size
    return msgspec.structs.replace(draft, size=size.label)


def _reason(field: str, draft: RunConfig) -> str:
    from trainer_core.run.config.catalog import find_model
    from trainer_core.run.config.defaults import explain

    entry = find_model(draft.model)
    return explain(field, draft, entry.shape if entry is not None else None)


def data_key(draft: RunConfig) -> bytes:
    """Return what shapes the rows of a draft: two drafts with one key have one report."""
    stamps = []
    for source in (draft.dataset, draft.eval_dataset):
        path = Path(source.removeprefix("python:")).expanduser() if source else None
        try:
            stamps.append(path.stat().st_mtime_ns if path is not None else 0)
        except OSError:
            stamps.append(0)
    shaping = (
        draft.model,
        draft.dataset,
        draft.eval_dataset,
        draft.sequence_length,
        draft.skip_bad_rows,
        draft.data,
        stamps,
    )
    return msgspec.json.encode(shaping)


def data_answer(worker: DataWorker, draft: RunConfig, post: Post) -> DataReady:
    """Wait for the worker and return its report, or the one sentence it left.

    Args:
        worker: That reads the draft's dataset.
        draft: What the form has.
        post: Told how far a download is, from this thread.
    """

    def tell(download: Download) -> None:
        post(DataReady(draft, None, download=download))

    report = worker.report(tell)
    if report is not None:
        return DataReady(draft, report)
    *_, last = (worker.last_words() or "the reader ended without a word").splitlines()
    return DataReady(draft, None, show_line(last, 500))


def catalog_answer(model_folders: tuple[str, ...], worker_python: str | None) -> CatalogRead:
    """List models and datasets; reads folders of this machine, never the network."""
    from trainer_core.run.config.catalog import (
        dataset_presets,
        datasets_here,
        model_presets,
        models_here,
    )

    models = models_here(tuple(Path(folder) for folder in model_folders), worker_python)
    datasets = datasets_here()
    known_models = {entry.id for entry in models}
    known_datasets = {entry.id for entry in datasets}
    return CatalogRead(
        (*models, *(e for e in model_presets(worker_python) if e.id not in known_models)),
        (*datasets, *(e for e in dataset_presets() if e.id not in known_datasets)),
    )


def launch_answer(config: RunConfig, post: Post) -> LaunchEnded:
    """Start a run and return its id, or why it was not started.

    Args:
        config: As the form has it.
        post: Told how far the download of its dataset is, from this thread.
    """
    from trainer_core.run.supervision.launch import launch

    def tell(download: Download) -> None:
        post(DataReady(config, None, download=download))

    try:
        return LaunchEnded(launch(config, on_download=tell).id)
    except Exception as error:  # the outermost line of the launcher's thread
        return LaunchEnded(None, sentence(error, "The run was not started"))


def stop_answer(run_id: str) -> ActionEnded:
    """Ask a run to stop and save, and return what it said."""
    from trainer_core.run.record.control import send_request, wait_for_answer

    def stop() -> ActionEnded:
        directory, alive = _find(run_id)
        if not alive:
            return ActionEnded(run_id, "This run is not running; there is nothing to stop.", False)
        request = send_request(directory, "stop")
        answer = wait_for_answer(directory, request, STOP_SECONDS)
        if answer is None:
            return ActionEnded(run_id, "The run was asked to stop; it answers when it can.", True)
        at = f" after step {answer.step}" if answer.step is not None else ""
        text = show_line(answer.text, 300) or f"The run stops{at} and saves."
        return ActionEnded(run_id, text, answer.ok)

    return _acted(run_id, "The run could not be stopped", stop)


def resume_answer(run_id: str) -> ActionEnded:
    """Let a run that has ended go on from its last checkpoint, and say so."""
    from trainer_core.run.record.directory import find_run
    from trainer_core.run.supervision.launch import resume

    def go_on() -> ActionEnded:
        resume(find_run(run_id))
        return ActionEnded(run_id, "The run goes on.", True)

    return _acted(run_id, "The run could not go on", go_on)


def _acted(run_id: str, failure: str, act: Callable[[], ActionEnded]) -> ActionEnded:
    try:
        return act()
    except Exception as error:  # the outermost line of the action's thread
        return ActionEnded(run_id, sentence(error, failure), False)


def _find(run_id: str) -> tuple[Path, bool]:
    from trainer_core.run.processes.process import supervisor_alive
    from trainer_core.run.record.directory import find_run

    directory = find_run(run_id)
    return directory.path, supervisor_alive(directory)


class LogTail:
    """The last lines of a log that grows; read again only when it changed."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: tuple[Path, int] | None = None
        self.lines: tuple[str, ...] = ()
        """Newest last, safe to show."""

    def read(self) -> bool:
        """Read the first of the files that holds something; say whether the lines changed."""
        for path in self._paths:
            try:
                size = path.stat().st_size
                if not size:
                    continue
                if (path, size) == self._seen:
                    return False
                with path.open("rb") as file:
                    file.seek(max(0, size - LOG_BYTES))
                    block = file.read(LOG_BYTES)
            except OSError:
                continue
            self._seen = (path, size)
            rows = block.split(b"\n")[1 if size > LOG_BYTES else 0 :]
            rows = rows[:-1] if rows and not rows[-1] else rows
            self.lines = tuple(show_line(row, 500) for row in rows[-LOG_LINES:])
            return True
        return False
