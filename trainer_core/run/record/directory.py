"""The run folder: where its files stand, how it is made, found and listed.

A run's folder name is a generated id; the name a person gives is data in `meta.yaml`. The
folder is the only state there is: any number of readers see the same run.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trainer_core.durable import sync_folder, write_whole
from trainer_core.errors import ConfigError, UserError
from trainer_core.folders import runs_root, state_root
from trainer_core.foreign_text import show_line
from trainer_core.regular_file import read_regular
from trainer_core.run.record.state_folder import (
    forget,
    names_locked,
    remember,
    remembered,
    require_private,
)

if TYPE_CHECKING:  # a list of runs needs none of it: 60 ms of the dashboard's start
    from trainer_core.run.config.run_config import RunConfig

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_TAG = re.compile(r"[\w][\w.:-]{0,63}")
NOTES_LENGTH = 10_000
"""Characters of notes that are kept."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run folder and the paths in it."""

    path: Path

    @property
    def id(self) -> str:
        """Generated id, the folder's name."""
        return self.path.name

    @property
    def config_path(self) -> Path:
        """The full configuration: the same file reproduces the run."""
        return self.path / "config.yaml"

    @property
    def meta_path(self) -> Path:
        """Name, tags and notes."""
        return self.path / "meta.yaml"

    @property
    def events_path(self) -> Path:
        """Rank 0's events."""
        return self.path / "events.jsonl"

    @property
    def supervisor_events_path(self) -> Path:
        """The supervisor's events."""
        return self.path / "supervisor.jsonl"

    @property
    def state_path(self) -> Path:
        """The supervisor's cache of the run's summary."""
        return self.path / "state.json"

    @property
    def exit_path(self) -> Path:
        """The exit record, written last; its absence without a supervisor means lost."""
        return self.path / "exit.json"

    @property
    def lock_path(self) -> Path:
        """Locked by the supervisor for life; never deleted."""
        return self.path / "lock"

    @property
    def control_path(self) -> Path:
        """Request files."""
        return self.path / "control"

    @property
    def heartbeat_path(self) -> Path:
        """One small file a rank."""
        return self.path / "heartbeat"

    @property
    def logs_path(self) -> Path:
        """Logs of the supervisor and of every rank, safe to print."""
        return self.path / "logs"

    @property
    def checkpoints_path(self) -> Path:
        """Complete checkpoints by step."""
        return self.path / "checkpoints"

    @property
    def model_path(self) -> Path:
        """The finished Hugging Face folder."""
        return self.path / "model"

    def config(self) -> RunConfig:
        """Return the configuration that stands in the folder.

        Raises:
            UserError: If it is missing or was made unreadable.
        """
        from trainer_core.run.config.config_file import load_config

        if self.config_path.exists() and not self.config_path.is_file():
            raise UserError(f"{self.config_path}: is no file; bring the run's own back")
        return load_config(self.config_path)

    def rank_log_path(self, rank: int) -> Path:
        """Return the log of one rank."""
        return self.logs_path / f"rank-{rank}.log"

    def rendezvous_path(self, attempt: int) -> Path:
        """Return the file the ranks of an attempt meet in."""
        return self.path / f"rendezvous-{attempt}"


class RunMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What people say of a run; read from `meta.yaml`."""

    name: str | None = None
    created: float = 0.0
    """Unix time."""
    host: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    choices: tuple[str, ...] = ()
    """What was chosen before the start and why, `field value: reason` each."""


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    state: str
    exit_code: int
    reason: str | None = None
    time: float = 0.0
    """Unix time."""
    attempt: int = 1


def create_run(config: RunConfig, choices: tuple[str, ...] = ()) -> RunDirectory:
    """Make the folder of a new run, complete and flushed, with its full configuration.

    Args:
        config: With every default written out.
        choices: What was chosen for it and why.

    Raises:
        ConfigError: If the name is taken.
        UserError: If the folder cannot be written or is open to other users.
    """
    root = runs_root()
    try:
        require_private(state_root())
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with names_locked():
            if config.name is not None and (holder := _holder_of(config.name)) is not None:
                problem = f"run {holder.id} has this name"
                raise ConfigError("name", config.name, "choose another name", problem)
            directory = _write_folder(root, config, choices)
            if root != state_root() / "runs":
                remember(directory.path)
    except OSError as error:
        raise UserError(
            f"{root}: the run folder cannot be written ({error.strerror}); "
            "set MOAI_TUI_HOME or MOAI_TUI_RUNS to a folder you may write"
        ) from error
    return directory


def remove_run(directory: RunDirectory) -> None:
    """Take back a run that never started."""
    shutil.rmtree(directory.path, ignore_errors=True)
    forget(directory.id)


def run_directories() -> list[RunDirectory]:
    """Return every run folder known here, newest first."""
    found: dict[str, Path] = {}
    roots = {runs_root(), state_root() / "runs"}
    for root in roots:
        try:
            entries = [entry for entry in os.scandir(root) if _ID.fullmatch(entry.name)]
        except OSError:
            continue
        found.update({entry.name: Path(entry.path) for entry in entries})
    for run_id, path in remembered(_ID):
        found.setdefault(run_id, path)
    return [RunDirectory(found[run_id]) for run_id in sorted(found, reverse=True)]


def find_run(text: str) -> RunDirectory:
    """Return the run that a name, an id or a unique beginning of either means.

    Raises:
        UserError: If there is none, or several.
    """
    runs = run_directories()
    named = [(run, read_meta(run).name) for run in runs]
    for run, name in named:
        if text in (name, run.id):
            return run
    matches = [
        run
        for run, name in named
        if text and (run.id.startswith(text) or (name or "").startswith(text))
    ]
    if len(matches) == 1:
        return matches[0]
    shown = show_line(text, 60)
    if matches:
        ids = ", ".join(run.id for run in matches[:4])
        raise UserError(f"{shown}: {len(matches)} runs begin like this ({ids} …); type more of it")
    raise UserError(f"{shown}: there is no such run; `moai-tui runs` lists them")


def read_meta(directory: RunDirectory) -> RunMeta:
    """Return name and notes of a run; empty ones when the file is missing or broken."""
    from trainer_core.yaml_text import read_own_yaml

    try:
        content = read_own_yaml(read_regular(directory.meta_path).decode(), "meta.yaml")
        return msgspec.convert(content or {}, type=RunMeta)
    except (OSError, UnicodeDecodeError, UserError, msgspec.ValidationError):
        return RunMeta(created=_time_of(directory.id))


def write_meta(directory: RunDirectory, meta: RunMeta) -> None:
    """Write what people say of a run, whole or not at all."""
    from trainer_core.yaml_text import own_yaml

    write_whole(directory.meta_path, own_yaml(msgspec.to_builtins(meta)).encode())


def change_meta(
    directory: RunDirectory,
    *,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
) -> RunMeta:
    """Give a run another name, tags or notes; what is None stays as it is.

    Several may do so at once: each change is whole and none undoes another's field.

    Args:
        directory: The run, running or not.
        name: New name; empty takes the name away.
        tags: New tags, each one word; repeated ones count once.
        notes: New notes, any text.

    Raises:
        ConfigError: A name that is taken or no name, a tag or notes that cannot be kept.
        UserError: If the folder cannot be written.
    """
    if name:
        from trainer_core.run.config.check import check
        from trainer_core.run.config.run_config import RunConfig

        wrong = [error for error in check(RunConfig(name=name)) if error.field == "name"]
        if wrong:
            raise wrong[0]
    kept = None if tags is None else tuple(dict.fromkeys(map(_checked_tag, tags)))
    if notes is not None and len(notes) > NOTES_LENGTH:
        problem = f"these are {len(notes)} characters"
        raise ConfigError("notes", notes[:20], f"write at most {NOTES_LENGTH}", problem)
    try:
        with names_locked():
            if name and (holder := _holder_of(name)) is not None and holder.id != directory.id:
                problem = f"run {holder.id} has this name"
                raise ConfigError("name", name, "choose another name", problem)
            meta = read_meta(directory)
            changed = msgspec.structs.replace(
                meta,
                name=meta.name if name is None else name or None,
                tags=meta.tags if kept is None else kept,
                notes=meta.notes if notes is None else notes,
            )
            write_meta(directory, changed)
    except OSError as error:
        raise UserError(
            f"{directory.path}: the run's name and notes cannot be written ({error.strerror})"
        ) from error
    return changed


def read_exit(directory: RunDirectory) -> ExitRecord | None:
    """Return the exit record; None while there is none."""
    try:
        return msgspec.json.decode(read_regular(directory.exit_path), type=ExitRecord)
    except (OSError, msgspec.DecodeError):
        return None


def write_exit(directory: RunDirectory, record: ExitRecord) -> None:
    """Write the exit record: whole or not at all."""
    write_whole(directory.exit_path, msgspec.json.encode(record) + b"\n")


def write_config(directory: RunDirectory, config: RunConfig) -> None:
    """Write the run's configuration with every field, in the order of the struct."""
    from trainer_core.run.config.config_file import dump_config

    write_whole(directory.config_path, dump_config(config).encode())


def _checked_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise ConfigError("tags", tag, "use up to 64 letters, digits, '.', '_', ':' and '-'")
    return tag


def _write_folder(root: Path, config: RunConfig, choices: tuple[str, ...]) -> RunDirectory:
    now = time.time()
    run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{os.urandom(3).hex()}"
    aside = RunDirectory(root / f".new-{run_id}")
    aside.path.mkdir(mode=0o700)
    try:
        for folder in (aside.control_path, aside.heartbeat_path, aside.logs_path):
            folder.mkdir(mode=0o700)
        # The name stands in `meta.yaml` alone: the same file starts the run a second time.
        write_config(aside, msgspec.structs.replace(config, name=None))
        meta = RunMeta(name=config.name, created=now, host=socket.gethostname(), choices=choices)
        write_meta(aside, meta)
        final = RunDirectory(root / run_id)
        aside.path.rename(final.path)
    except BaseException:
        shutil.rmtree(aside.path, ignore_errors=True)
        raise
    sync_folder(root)
    return final


def _holder_of(name: str) -> RunDirectory | None:
    return next((run for run in run_directories() if read_meta(run).name == name), None)


def _time_of(run_id: str) -> float:
    try:
        return time.mktime(time.strptime(run_id[:15], "%Y%m%d-%H%M%S"))
    except ValueError:
        return 0.0
