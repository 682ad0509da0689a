"""Checkpoints written while training goes on: one writer thread a rank, published by one.

Each rank copies its part at a step border and a thread writes it: files hashed on their way and
flushed, then a note of what was written. Rank 0's thread waits for all notes, writes the manifest,
renames the folder and reads it back; only then the checkpoint exists and is told of. Threads use
no collectives of the training's group: two orders of them would not meet.
"""

from __future__ import annotations

import errno
import json
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from trainer_core.durable import publish_folder, sync_folder, write_whole
from trainer_core.engine.companions import Companions
from trainer_core.engine.distributed import World, largest_over_ranks
from trainer_core.engine.row_exchange import RowExchange
from trainer_core.engine.snapshot import Snapshot
from trainer_core.engine.tensor_file import write_pieces, write_tensors
from trainer_core.run.storage.checkpoints import (
    ASIDE,
    STATE_FILE,
    StoredFile,
    discard,
    read_manifest,
    step_folder,
    superseded,
    verify,
    write_manifest,
)

POLL_SECONDS = 0.02
FULL = (errno.ENOSPC, errno.EDQUOT)
_OTHER, _NO_ROOM = 1, 2


class SaveAbandoned(Exception):
    """Another rank could not write its part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointInfo:
    """What was just saved."""

    step: int
    path: Path
    bytes: int
    seconds: float
    """From the first copy to the read-back."""
    waited_seconds: float
    """What training waited for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaveProblem:
    """Why a save came to nothing; the same on every rank."""

    step: int
    disk_is_full: bool
    needed_bytes: int
    text: str


@dataclass(slots=True)
class _Job:
    """One save of this rank."""

    snapshot: Snapshot
    aside: Path
    began: float
    waited: float = 0.0
    error: BaseException | None = None
    abandoned: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Saver:
    """Saves one checkpoint at a time; every rank has one and calls it alike.

    Args:
        run_folder: Where checkpoints go.
        world: Ranks that write together.
        attempt: Part of temporary names.
        keep: Good checkpoints that stay, the best beside them.
        companions: What every checkpoint has beside its tensors; rank 0's are written.
        on_saved: Called on rank 0 from its thread once a checkpoint stands.
    """

    def __init__(
        self,
        run_folder: Path,
        *,
        world: World,
        attempt: int,
        keep: int,
        companions: Companions,
        on_saved: Callable[[CheckpointInfo], None],
    ) -> None:
        self._run_folder, self._world, self._attempt = run_folder, world, attempt
        self._keep, self._companions, self._on_saved = keep, companions, on_saved
        self._job: _Job | None = None
        self._exchange: RowExchange | None = None
        self._saves = 0
        self._good: set[Path] = set()
        """Saved or verified by this process."""

    @property
    def in_flight(self) -> bool:
        """Whether a save has begun that `wait` has not yet seen the end of."""
        return self._job is not None

    def start(self, snapshot: Snapshot, began: float) -> None:
        """Write a snapshot in the background.

        Args:
            snapshot: Of this rank.
            began: Monotonic time at which taking it began.

        Raises:
            RuntimeError: If a save is in flight.
        """
        if self._job is not None:
            raise RuntimeError("a save is in flight")
        self._saves += 1
        if not snapshot.is_whole:
            self._exchange = self._exchange or RowExchange(self._world)
        final = step_folder(self._run_folder, snapshot.step)
        name = f"{ASIDE}{final.name}-{self._attempt}-{self._saves}"
        job = _Job(snapshot=snapshot, aside=final.with_name(name), began=began)
        job.waited = time.monotonic() - began
        job.thread = threading.Thread(
            target=self._write, args=(job, final), name="checkpoint", daemon=True
        )
        self._job = job
        job.thread.start()
        if snapshot.waits:
            job.thread.join()

    def wait(
        self, seconds: float = math.inf, beat: Callable[[], None] = lambda: None
    ) -> SaveProblem | None:
        """Wait for the save in flight, if there is one; every rank calls it at the same places.

        Args:
            seconds: Longest wait; 0 only looks.
            beat: Called while it waits.

        Returns:
            What went wrong once every rank has ended its part; None otherwise.
        """
        end = time.monotonic() + seconds
        while (job := self._job) is not None and job.thread is not None:
            failed = 0 if job.error is None else _code(job.error)
            now = (failed, job.thread.is_alive(), time.monotonic() >= end)
            worst, writing, late = largest_over_ranks(now)
            if worst:
                job.abandoned.set()
            if not writing:
                self._job = None
                return self._problem(job, worst) if worst else None
            if late:
                return None
            beat()
            time.sleep(POLL_SECONDS)
        return None

    def close(self) -> None:
        """Leave nothing that the end of the process would trip over; none is in flight."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _problem(self, job: _Job, worst: int) -> SaveProblem:
        if self._world.leads:
            shutil.rmtree(job.aside, ignore_errors=True)
        return SaveProblem(
            step=job.snapshot.step,
            disk_is_full=worst == _NO_ROOM,
            needed_bytes=job.snapshot.bytes,
            text=_words(job.error),
        )

    def _write(self, job: _Job, final: Path) -> None:
        try:
            if self._exchange is not None:
                job.snapshot = _brought_together(job.snapshot, self._exchange)
            written = self._write_part(job)
            if self._world.leads:
                info = self._publish(job, final, written)
                self._on_saved(info)
                with suppress(OSError):  # the new one stands, whatever becomes of old ones
                    self._retire()
        except Exception as error:  # the thread's outermost line: told to all ranks by `wait`
            job.error = error

    def _write_part(self, job: _Job) -> dict[str, StoredFile]:
        """Write this rank's files and its note of them; rank 0 notes nothing, it knows."""
        rank, world = self._world.rank, self._world.size
        snapshot, aside = job.snapshot, job.aside
        trainer = aside / "trainer"
        trainer.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = f"-{rank + 1:05d}-of-{world:05d}" if world > 1 and not snapshot.adapters else ""
        written = {
            f"trainer/rng-rank-{rank}.safetensors": write_tensors(
                trainer / f"rng-rank-{rank}.safetensors", snapshot.random
            )
        }
        if rank == 0 or not snapshot.adapters:
            for stem, tensors in self._tensors(snapshot).items():
                name = f"{stem}{part}.safetensors"
                written[name] = write_tensors(aside / name, tensors)
        if rank:
            note = {"files": written, "weights": sorted(snapshot.weights)}
            write_whole(_note_of(aside, rank), msgspec.json.encode(note))
        return written

    def _tensors(self, snapshot: Snapshot) -> dict[str, dict[str, Tensor]]:
        """Return file stem → tensors; adapters stand under peft's names and under ours."""
        if not snapshot.adapters:
            return {"model": snapshot.weights, "trainer/optimizer": snapshot.states}
        names = self._companions.adapter_names
        return {
            "adapter_model": {
                names[name]: t for name, t in snapshot.weights.items() if name in names
            },
            "trainer/weights": snapshot.weights,
            "trainer/optimizer": snapshot.states,
        }

    def _publish(self, job: _Job, final: Path, written: dict[str, StoredFile]) -> CheckpointInfo:
        places = dict.fromkeys(job.snapshot.weights, _model_file(written))
        for rank in range(1, self._world.size):
            note = self._wait_for_note(job, rank)
            theirs = {name: StoredFile(**facts) for name, facts in note["files"].items()}
            written |= theirs
            places |= dict.fromkeys(note["weights"], _model_file(theirs))
        for name, data in self._small_files(job.snapshot, places).items():
            written[name] = write_pieces(job.aside / name, iter([data]))
        sync_folder(job.aside / "trainer")
        size = write_manifest(job.aside, job.snapshot.step, written)
        if job.abandoned.is_set():
            raise SaveAbandoned("another rank could not write its part")
        publish_folder(job.aside, final)
        _read_back(final)
        self._good.add(final)
        return CheckpointInfo(
            step=job.snapshot.step,
            path=final,
            bytes=size,
            seconds=time.monotonic() - job.began,
            waited_seconds=job.waited,
        )

    def _wait_for_note(self, job: _Job, rank: int) -> dict[str, Any]:
        path = _note_of(job.aside, rank)
        while not path.exists():
            if job.abandoned.wait(POLL_SECONDS):
                raise SaveAbandoned(f"rank {rank} could not write its part")
        note: dict[str, Any] = json.loads(path.read_bytes())
        path.unlink()
        return note

    def _small_files(self, snapshot: Snapshot, places: dict[str, str]) -> dict[str, bytes]:
        state = {
            "step": snapshot.step,
            "world_size": self._world.size,
            "attempt": self._attempt,
            "extra": snapshot.facts,
        }
        files = {**self._companions.files, STATE_FILE: json.dumps(state, indent=1).encode()}
        if self._world.size > 1 and not snapshot.adapters:
            index = {"metadata": {}, "weight_map": places}
            files["model.safetensors.index.json"] = json.dumps(index, indent=1).encode()
        return files

    def _retire(self) -> None:
        for path in superseded(self._run_folder, self._keep, self._is_good):
            discard(path)

    def _is_good(self, path: Path) -> bool:
        if path not in self._good and verify(path) is None:
            self._good.add(path)
        return path in self._good


def _brought_together(snapshot: Snapshot, exchange: RowExchange) -> Snapshot:
    """Return the snapshot with the whole tensors this rank owns in place of its rows."""
    weights = snapshot.weights | exchange.whole(snapshot.weight_rows)
    states = snapshot.states | exchange.whole(snapshot.state_rows)
    return replace(snapshot, weights=weights, states=states, weight_rows=(), state_rows=())


def _read_back(final: Path) -> None:
    for name, facts in read_manifest(final).items():
        if (final / name).stat().st_size != facts.bytes:
            raise OSError(errno.EIO, "was not written whole", str(final / name))


def _note_of(aside: Path, rank: int) -> Path:
    return aside / "trainer" / f"rank-{rank}.json"


def _model_file(written: Mapping[str, StoredFile]) -> str:
    return next((name for name in written if name.startswith("model")), "")


def _code(error: BaseException) -> int:
    is_full = isinstance(error, OSError) and error.errno in FULL
    return _NO_ROOM if is_full else _OTHER


def _words(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if error is not None else "another rank could not write its part"
