"""From a configuration to a running run: the one path of the form, the command and the library.

Everything that can be wrong is found before a run folder exists; after a refusal none is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from trainer_core.accelerators.base import SIZE_NAMES
from trainer_core.accelerators.binding import Waiting, bind
from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import size_from_text
from trainer_core.errors import ConfigError, ConfigErrors, UserError
from trainer_core.folders import cache_root
from trainer_core.foreign_text import show
from trainer_core.network import hub_answers, hub_is_off, hub_knows_model
from trainer_core.plan.hardware import hardware_from
from trainer_core.run.config.catalog import ModelEntry, require_model
from trainer_core.run.config.check import check
from trainer_core.run.config.config_file import override
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.defaults import BUILT_IN_DATASET, TINY_LENGTH
from trainer_core.run.config.run_config import DataConfig, ParallelConfig, RunConfig
from trainer_core.run.forecast.disk_plan import require_room
from trainer_core.run.forecast.draft import DraftVerdict, verdict_for
from trainer_core.run.processes.data_worker import OnDownload, require_data, worker_python
from trainer_core.run.processes.elsewhere import require_silence
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.processes.process import liveness, start_run
from trainer_core.run.processes.usable_worker import require_usable
from trainer_core.run.processes.worker_ready import require_ready
from trainer_core.run.record.directory import (
    RunDirectory,
    create_run,
    read_exit,
    read_meta,
    remove_run,
    write_config,
    write_meta,
)
from trainer_core.run.supervision.device_wait import device_count
from trainer_core.run.supervision.joined import JOINED_VARIABLE

_HARMLESS = ("train_on_prompt", "eval_rows_max", "packing", "truncate")
"""Fields of `data` that leave rows of the built-in dataset, whatever they say: it ships with the
package and is tested with it, so looking again would only cost seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A configuration that is known to work here."""

    config: RunConfig
    """With every default chosen."""
    choices: tuple[str, ...] = ()
    """What was chosen and why, `field value: reason` each."""


def launch(
    config: RunConfig, world_size: int | None = None, on_download: OnDownload | None = None
) -> RunDirectory:
    """Check a configuration against this machine, then start it.

    Args:
        config: What to run.
        world_size: Ranks that another launcher has started; None where the ranks are ours.
        on_download: Told how far the download of a hub dataset is, which comes first.

    Returns:
        The folder of a run whose supervisor holds its lock.

    Raises:
        UserError: Whatever is wrong, in one sentence each; no run folder is left.
    """
    ready = prepared(config, world_size, on_download)
    directory = create_run(ready.config, ready.choices)
    try:
        start_run(directory)
    except BaseException:
        remove_run(directory)
        raise
    return directory


def prepared(
    config: RunConfig, world_size: int | None = None, on_download: OnDownload | None = None
) -> Prepared:
    """Return the configuration with every default chosen, once it is known to work here.

    Args:
        config: What to run.
        world_size: Ranks of another launcher, None where the ranks are ours.
        on_download: Told how far the download of a hub dataset is.

    Raises:
        UserError: Wrong fields, an unknown or unreachable model, a size that does not fit, data
            that cannot be read.
    """
    config = with_absolute_paths(_with_worker(config))
    errors = check(config)
    if errors:
        raise ConfigErrors(errors)
    worker = worker_python(config)
    _require_weights(config, require_model(config.model, worker))
    require_ready(worker)
    _require_cache()
    report = None if _known_good(config) else require_data(config, on_download)
    return _planned(config, report) if world_size is None else _joined(config, report, world_size)


def resume(directory: RunDirectory, size: str | None = None) -> None:
    """Continue a stopped, failed or lost run as the same run, from its last checkpoint.

    Args:
        directory: The run.
        size: Another accelerator size from now on.

    Raises:
        UserError: If it runs, has finished, or cannot start.
    """
    if liveness(directory) == "alive":
        raise UserError(f"run {directory.id} is running; there is nothing to resume")
    record = read_exit(directory)
    if record is not None and record.state == "finished":
        raise UserError(f"run {directory.id} has finished; start a new run from its model instead")
    require_silence(directory)
    if size is not None:
        # What another number of devices changes is chosen anew; the rest stays as it was.
        before = msgspec.structs.replace(
            directory.config(), devices=(), micro_batch_size=None, parallel=ParallelConfig()
        )
        config = override(before, {"size": size})
        errors = check(config)
        if errors:
            raise ConfigErrors(errors)
        again = _planned(config, None)
        meta = read_meta(directory)
        choices = _newer(meta.choices, again.choices)
        with _nobody_else(directory):
            write_config(directory, again.config)
            write_meta(directory, msgspec.structs.replace(meta, choices=choices))
    elif os.environ.get(JOINED_VARIABLE):
        require_usable(read_devices().permitted, worker_python(directory.config()))
    else:
        _require_usable(directory.config(), read_devices())
    start_run(directory, other_devices=size is not None)


@contextmanager
def _nobody_else(directory: RunDirectory) -> Iterator[None]:
    """Hold a run's lock: whoever resumes it at the same moment waits or finds it running."""
    lock = RunLock(directory.lock_path)
    if not lock.acquire(own_identity(time.time())):
        raise UserError(f"run {directory.id} is running; there is nothing to resume")
    try:
        yield
    finally:
        lock.release()


def _with_worker(config: RunConfig) -> RunConfig:
    """Write the interpreter of the environment down: a resume may come from another shell."""
    worker = msgspec.structs.replace(config.worker, python=worker_python(config))
    return msgspec.structs.replace(config, worker=worker)


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """Return the configuration with local files by their full path: a run works elsewhere."""
    return msgspec.structs.replace(
        config,
        model=_absolute(config.model),
        dataset=_absolute(config.dataset),
        eval_dataset=_absolute(config.eval_dataset) if config.eval_dataset else None,
    )


def _planned(config: RunConfig, report: DataReport | None) -> Prepared:
    inventory = read_devices()
    if config.size is None and not config.devices:
        size = AcceleratorPool.load(inventory.devices).current.size
        config = msgspec.structs.replace(config, size=size.label)
    draft = verdict_for(config, inventory.devices, report)
    _refuse_what_cannot_work(draft)
    _require_room(draft)
    _require_usable(config, inventory)
    ready = draft.ready
    if config.size is not None:
        # A size is shown with its memory everywhere; the user may have left it away.
        label = size_from_text(config.size, inventory.devices).label
        ready = msgspec.structs.replace(ready, size=label)
    return Prepared(config=ready, choices=_choices(draft))


def _require_room(draft: DraftVerdict) -> None:
    choice = draft.verdict.choice if draft.verdict else None
    if draft.shape is not None:
        require_room(draft.ready, draft.shape, choice.plan if choice else None)


def _require_usable(config: RunConfig, inventory: Inventory) -> None:
    # Devices that are named wrongly are a mistake now; devices that are busy are a matter of time.
    bound = bind(inventory, device_count(config, inventory.devices), config.devices)
    devices = inventory.permitted if isinstance(bound, Waiting) else bound.devices
    require_usable(devices, worker_python(config))


def _joined(config: RunConfig, report: DataReport | None, world_size: int) -> Prepared:
    """Plan for ranks on several hosts: each is taken to have a device like those seen here."""
    inventory = read_devices()
    hardware = hardware_from(inventory.devices, config.precision)
    if hardware is None:
        raise UserError("No permitted device is seen here; `moai-tui doctor` says why")
    named = SIZE_NAMES.get(world_size)
    config = msgspec.structs.replace(config, devices=(), size=named)
    draft = verdict_for(config, replace(hardware, devices=world_size), report)
    _refuse_what_cannot_work(draft)
    require_usable(inventory.permitted, worker_python(config))
    # Without a size of that many devices the planner would choose another number.
    return Prepared(config=draft.ready if named else draft.config, choices=_choices(draft))


def _choices(draft: DraftVerdict) -> tuple[str, ...]:
    """Return what was chosen and why, the plan last."""
    plan = (f"plan {draft.verdict.reason}",) if draft.verdict and draft.verdict.choice else ()
    return (*draft.choices, *plan)


def _newer(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices of a run that was planned again: the new one of each field."""
    fields = {choice.partition(" ")[0] for choice in now}
    return (*(choice for choice in before if choice.partition(" ")[0] not in fields), *now)


def _refuse_what_cannot_work(draft: DraftVerdict) -> None:
    if draft.problems:
        raise UserError("\n".join(_problem(field, text) for field, text in draft.problems))
    verdict = draft.verdict
    if verdict is None:
        return
    chosen = verdict.choice
    if chosen is None:
        raise UserError(f"This run does not fit this machine: {verdict.reason}")
    if chosen.verdict in ("no", "cannot be formed"):
        why = chosen.why or verdict.reason
        raise ConfigError("size", chosen.size, "choose a smaller model or another size", why)


def _problem(field: str, text: str) -> str:
    return text if not field or text.startswith(f"{field}:") else f"{field}: {text}"


def _require_weights(config: RunConfig, entry: ModelEntry) -> None:
    if config.from_scratch or entry.here or entry.hub_id is None:
        return
    if hub_is_off():
        why = "its weights are not on this machine and HF_HUB_OFFLINE is set"
    elif not hub_answers():
        why = "its weights are not on this machine and the model hub cannot be reached"
    elif entry.origin == "hub" and hub_knows_model(entry.hub_id) is False:
        raise ConfigError(
            "model",
            config.model,
            "check its spelling; a private model needs HF_TOKEN",
            f"{show(config.model, 200)}: the hub shows no model of this name",
        )
    else:
        return
    fix = "connect to a network, or name a folder that holds the model"
    if entry.offline_from_scratch:
        fix = "use --from-scratch for fresh weights, or name a folder that holds the model"
    raise ConfigError("model", config.model, fix, f"{show(config.model, 200)}: {why}")


def _require_cache() -> None:
    folder = cache_root() / "tokens"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"tokenised rows cannot be kept in {folder}: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder you can write to"
        ) from error


def _known_good(config: RunConfig) -> bool:
    """Whether the built-in dataset is used as it stands, at a length that holds its rows."""
    if config.dataset != BUILT_IN_DATASET or config.eval_dataset is not None:
        return False
    harmless = {name: getattr(config.data, name) for name in _HARMLESS}
    plain = msgspec.structs.replace(DataConfig(), **harmless) == config.data
    return plain and (config.sequence_length or TINY_LENGTH) >= TINY_LENGTH


def _absolute(text: str) -> str:
    kind, mark, rest = text.partition("python:") if text.startswith("python:") else ("", "", text)
    try:
        path = Path(rest).expanduser()
        return f"{kind}{mark}{path.absolute()}" if path.exists() else text
    except (OSError, ValueError, RuntimeError):
        return text
