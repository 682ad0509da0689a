"""What the supervisor writes down and reads back: its events, the run's view, `state.json`."""

from __future__ import annotations

import socket
import time

import msgspec

from trainer_core.run.overview.summarize import base_summary, with_numbers, write_cached
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.event_rows import last_row
from trainer_core.run.record.events import AnyEvent, Event, Queued, Restarted, StateChanged
from trainer_core.run.record.history import RunHistory
from trainer_core.run.record.summary import Stalled
from trainer_core.run.record.view import RunView

CACHE_SECONDS = 1.0
"""How old `state.json` may be while the run lives; other hosts take its change for a heartbeat."""


class Ledger:
    """The supervisor's end of the run's files; one for each supervisor."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        last = last_row(directory.supervisor_events_path)
        self._events = EventWriter(
            directory.supervisor_events_path, last.attempt + 1 if last else 1
        )
        self._history = RunHistory(directory.path)
        self._base = base_summary(directory)
        self._cached_at = 0.0
        self.view: RunView = self._history.view
        self.stalled: Stalled | None = None
        """Shown beside the state."""

    @property
    def attempt(self) -> int:
        """Number of the attempt that is going on, from 1."""
        return self._events.attempt

    @property
    def last_step(self) -> int | None:
        """Newest optimizer step told by rank 0."""
        return self.view.step.step if self.view.step else None

    @property
    def last_checkpoint(self) -> int | None:
        """Step of the newest checkpoint; None without one."""
        return self.view.checkpoints[-1].step if self.view.checkpoints else None

    @property
    def has_stepped(self) -> bool:
        """Whether this attempt has made a step."""
        return self.view.first_step_time is not None

    def tell(self, event: Event) -> None:
        """Write an event and see it on the disk."""
        self._events.write(event)
        self._events.sync()

    def change(self, state: str, reason: str | None = None) -> None:
        """Move the run to another state."""
        self.tell(StateChanged(state=state, reason=reason))
        self.view.state = state
        self.cache(force=True)

    def queued(self, waits_for: str) -> None:
        """Say whom the run waits for."""
        self.tell(Queued(waits_for=waits_for))
        self.view.state, self.view.waits_for = "queued", waits_for
        self.cache(force=True)

    def next_attempt(self) -> None:
        """Begin another attempt."""
        self._events.attempt += 1
        self.say_restarted()
        self.change("starting")

    def say_restarted(self) -> None:
        """Say from where this attempt goes on."""
        self.tell(Restarted(from_step=self.last_checkpoint))

    def follow(self) -> list[AnyEvent]:
        """Read what was written since the last call, by rank 0 or by ourselves."""
        return self._history.read(None)

    def catch_up(self) -> None:
        """Read everything that earlier attempts wrote; nothing is asked of it."""
        self._history.catch_up()

    def cache(self, *, force: bool = False) -> None:
        """Bring `state.json` up to date, at most once a second unless forced."""
        now = time.monotonic()
        if force or now - self._cached_at >= CACHE_SECONDS:
            self._cached_at = now
            summary = with_numbers(self._base, self.view, alive=True)
            summary = msgspec.structs.replace(
                summary, stalled=self.stalled, host=socket.gethostname()
            )
            write_cached(self._directory, summary)
            self._history.save_index()

    def close(self) -> None:
        """Write everything out; nothing may be told afterwards."""
        self._events.close()
        self.follow()
        self.cache(force=True)
