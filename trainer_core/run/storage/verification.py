"""Looking at everything a run left on disk: every checkpoint hashed, every event read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.events import Notice
from trainer_core.run.storage.checkpoints import checkpoint_folders, read_manifest, step_of, verify

READ_BYTES = 8 << 20
"""Of each event file at a time: a run of a million steps is read in little memory."""
_DROPPED = re.compile(r"(\d+) events could not be written")
_HEADER_LIMIT = 100 << 20


class CheckpointCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint and what is wrong with it."""

    step: int
    path: str
    bytes: int | None
    """Of the files its manifest names; None where that cannot be read."""
    problem: str | None = None


class RunCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What `moai-tui verify` says of a run."""

    id: str
    ok: bool
    """Whether every checkpoint and every event is as it was written."""
    checkpoints: tuple[CheckpointCheck, ...] = ()
    events: int = 0
    bad_rows: int = 0
    """Rows that are no events."""
    missing_rows: int = 0
    """Sequence numbers that were jumped over and are not told of as dropped on a full disk."""
    unknown_rows: int = 0
    """Rows of a type this version does not know; nothing is wrong with them."""
    model_problem: str | None = None
    """What is wrong with `model/`, as far as its files tell: they carry no sums."""


def verify_run(directory: RunDirectory, on_bytes: Callable[[int], None] | None = None) -> RunCheck:
    """Hash every checkpoint and read every event of a run, living or not.

    Args:
        directory: The run.
        on_bytes: Told how many bytes of checkpoints were read since the last call.
    """
    checkpoints = tuple(_check(path, on_bytes) for path in checkpoint_folders(directory.path))
    reader = EventReader(directory.path)
    events = dropped = 0
    while True:
        for event in reader.read_new(READ_BYTES):
            events += 1
            told = _DROPPED.match(event.text) if isinstance(event, Notice) else None
            dropped += int(told[1]) if told else 0
        if not reader.behind:
            break
    missing = max(0, reader.missing_rows - dropped)
    model_problem = _problem_of_model(directory.model_path)
    broken = any(check.problem for check in checkpoints) or model_problem is not None
    return RunCheck(
        id=directory.id,
        ok=not broken and not reader.bad_rows and not missing,
        checkpoints=checkpoints,
        events=events,
        bad_rows=reader.bad_rows,
        missing_rows=missing,
        unknown_rows=reader.unknown_rows,
        model_problem=model_problem,
    )


def _check(path: Path, on_bytes: Callable[[int], None] | None) -> CheckpointCheck:
    try:
        size = sum(facts.bytes for facts in read_manifest(path).values())
    except ValueError:
        size = None
    return CheckpointCheck(
        step=step_of(path), path=str(path), bytes=size, problem=verify(path, on_bytes)
    )


def _problem_of_model(folder: Path) -> str | None:
    """Return which safetensors file is cut short; hashes of them are not kept."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            if file.stat().st_size != _promised_bytes(file):
                return f"{file.name} was cut short"
        except (OSError, msgspec.DecodeError, ValueError, KeyError, TypeError):
            return f"{file.name} cannot be read"
    return None


def _promised_bytes(file: Path) -> int:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > min(_HEADER_LIMIT, os.fstat(opened.fileno()).st_size):
            raise ValueError("its header is longer than the file")
        header = msgspec.json.decode(opened.read(length))
    ends = [facts["data_offsets"][1] for name, facts in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)
