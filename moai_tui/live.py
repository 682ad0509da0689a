"""The only module that starts threads: it reads the machine and the runs, and carries out wishes.

Every thread posts messages and touches no widget. What goes wrong becomes one sentence, never
a dead thread. Threads are daemons: leaving the dashboard waits for nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from textual.message import Message

from moai_tui import core_calls, device_calls, run_calls
from moai_tui.core_calls import Post
from moai_tui.device_reader import DeviceReader
from moai_tui.messages import (
    AcceleratorsRead,
    CatalogWanted,
    DataReady,
    DataWanted,
    DeviceWish,
    FollowWanted,
    LaunchRequested,
    PlanWanted,
    ResumeRequested,
    RunsListed,
    RunsWanted,
    RunUpdated,
    RunWish,
    StopRequested,
    TroubleMet,
)

if TYPE_CHECKING:
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.processes.data_worker import DataWorker
    from trainer_core.run.record.summary import RunSummary

Wanted = TypeVar("Wanted")

RUNS_SECONDS = 1.0
FOLLOW_SECONDS = 0.15
ENDED_FOLLOW_SECONDS = 1.0
"""A run without a supervisor may still be resumed by somebody else."""
SUMMARY_SECONDS = 1.0
"""Whether a run lives is asked this often while it writes nothing."""
AGES_SECONDS = 30.0
"""An unchanged list of runs is posted again after this, for the ages in it."""
FIRST_READING_SECONDS = 5.0
"""How long the first verdict waits for the first reading of the devices."""
RETRY_SECONDS = 2.0
REPORTS_KEPT = 32
READ_BYTES = 2 * 2**20
"""Events read at a time, so that a long run appears while it is being read."""


class Facts(Protocol):
    """What the app asks of `Live`; a test hands in its own."""

    def start(self, post: Post) -> None:
        """Begin reading; facts come through `post`, from any thread."""
        ...

    def wish(self, message: Message) -> None:
        """Take up a wish of a screen; the answer comes as a message."""
        ...

    def stop(self) -> None:
        """End every thread and child."""
        ...


class Newest(Generic[Wanted]):
    """A thread that works on the newest thing asked for; what it had not begun is dropped."""

    def __init__(
        self, name: str, work: Callable[[Wanted], None], trouble: Callable[[Exception], None]
    ) -> None:
        self._work, self._trouble = work, trouble
        self._wanted: list[Wanted] = []
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def ask(self, wanted: Wanted) -> None:
        """Want this instead of what still waits."""
        with self._changed:
            self._wanted = [wanted]
            self._changed.notify()

    @property
    def superseded(self) -> bool:
        """Whether something newer waits than what is worked on."""
        return bool(self._wanted) or self._ended

    def stop(self) -> None:
        """End the thread once its work is done."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._ended)
                if self._ended:
                    return
                wanted = self._wanted.pop()
            try:
                self._work(wanted)
            except Exception as error:  # the outermost line of this thread
                self._trouble(error)


class Live:
    """Reads the machine, the runs and one followed run; answers drafts and requests."""

    def __init__(self, refresh_seconds: float = 1.0) -> None:
        self._post: Post = _nowhere
        self._ended = threading.Event()
        self._devices: AcceleratorsRead | None = None
        self._devices_read = threading.Event()
        self._list_wanted = threading.Event()
        self._followed: str | None = None
        self._follow_changed = threading.Event()
        self._draft: RunConfig | None = None
        self._reports: dict[bytes, DataReady] = {}
        self._data_worker: DataWorker | None = None
        self._reader = DeviceReader(refresh_seconds)
        self._planner: Newest[RunConfig] | None = None
        self._data: Newest[RunConfig] | None = None
        self._catalog: Newest[CatalogWanted] | None = None

    def start(self, post: Post) -> None:
        """Begin reading."""
        self._post = post
        for name, work in (
            ("accelerators", self._read_accelerators),
            ("runs", self._list_runs),
            ("follower", self._follow),
        ):
            threading.Thread(
                target=self._guarded, args=(name, work), name=name, daemon=True
            ).start()

    def stop(self) -> None:
        """End every thread and child; does not wait."""
        self._ended.set()
        self._list_wanted.set()
        self._follow_changed.set()
        self._reader.stop()
        self._kill_data()
        for worker in (self._planner, self._data, self._catalog):
            if worker is not None:
                worker.stop()
        self._post = _nowhere

    def wish(self, message: Message) -> None:
        """Take up a wish; returns at once."""
        match message:
            case RunsWanted():
                (self._list_wanted.set if message.visible else self._list_wanted.clear)()
            case FollowWanted():
                self._followed = message.run_id
                self._follow_changed.set()
            case PlanWanted():
                self._draft = message.draft
                self._planner = self._planner or Newest("planner", self._answer_plan, self._say)
                self._planner.ask(message.draft)
            case DataWanted():
                self._data = self._data or Newest("data", self._answer_data, self._say)
                self._data.ask(message.draft)
                self._kill_data()
            case CatalogWanted():
                self._catalog = self._catalog or Newest("catalog", self._answer_catalog, self._say)
                self._catalog.ask(message)
            case LaunchRequested():
                self._act(partial(core_calls.launch_answer, message.config, self._post))
            case StopRequested():
                self._act(partial(core_calls.stop_answer, message.run_id))
            case ResumeRequested():
                self._act(partial(core_calls.resume_answer, message.run_id))
            case DeviceWish():
                self._act(partial(device_calls.carry_out, message))
            case RunWish():
                self._act(partial(run_calls.carry_out, message))
            case _:
                raise AssertionError(f"no wish: {message!r}")

    def _act(self, act: Callable[[], Message]) -> None:
        """Carry out a request in a thread of its own: one may wait for a run's answer."""

        def carry_out() -> None:
            self._post(act())

        threading.Thread(target=carry_out, name="action", daemon=True).start()

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        """Keep a reading thread alive: what it stumbles over is said, then it tries again."""
        said = ""
        while not self._ended.is_set():
            try:
                work()
            except Exception as error:  # the outermost line of every reading thread
                text = core_calls.sentence(error, f"The {name} cannot be read")
                if text != said:
                    self._post(TroubleMet(text))
                said = text
                self._ended.wait(RETRY_SECONDS)

    def _say(self, error: Exception) -> None:
        self._post(TroubleMet(core_calls.sentence(error, "The form cannot be answered")))

    # Reading.

    def _read_accelerators(self) -> None:
        for reading in self._reader.readings():
            self._devices = reading
            self._devices_read.set()
            self._post(reading)

    def _list_runs(self) -> None:
        from trainer_core.run.overview.listing import RunLister

        lister = RunLister()
        seen: tuple[RunSummary, ...] | None = None
        posted = 0.0
        while not self._ended.is_set():
            self._list_wanted.wait()
            if self._ended.is_set():
                return
            runs, now = lister.runs(), time.monotonic()
            if runs != seen or now - posted > AGES_SECONDS:
                self._post(RunsListed(runs))
                seen, posted = runs, now
            self._ended.wait(RUNS_SECONDS)

    def _follow(self) -> None:
        while not self._ended.is_set():
            self._follow_changed.wait()
            self._follow_changed.clear()
            run_id = self._followed
            if run_id is not None and not self._ended.is_set():
                self._follow_run(run_id)

    def _follow_run(self, run_id: str) -> None:
        """Read one run until another one is wanted."""
        from trainer_core.run.overview.summarize import ENDED_STATES, summarize
        from trainer_core.run.record.directory import find_run
        from trainer_core.run.record.history import RunHistory

        directory = find_run(run_id)
        history = RunHistory(directory.path)
        log = core_calls.LogTail(directory.rank_log_path(0), directory.logs_path / "supervisor.log")
        summary: RunSummary | None = None
        asked = 0.0
        while not self._follow_changed.is_set() and not self._ended.is_set():
            events = history.read(READ_BYTES)
            log_changed = log.read()
            now, old = time.monotonic(), summary
            if summary is None or events or now - asked >= SUMMARY_SECONDS:
                summary, asked = summarize(directory, history.view), now
            if events or log_changed or summary != old:
                self._post(RunUpdated(run_id, history.view.snapshot(), summary, log.lines))
            ended = summary.state in ENDED_STATES
            if not history.reader.behind:
                history.save_index()
                self._follow_changed.wait(ENDED_FOLLOW_SECONDS if ended else FOLLOW_SECONDS)

    # Drafts.

    def _answer_plan(self, draft: RunConfig) -> None:
        self._devices_read.wait(FIRST_READING_SECONDS)
        devices = self._devices.devices if self._devices is not None else ()
        known = self._reports.get(core_calls.data_key(draft))
        self._post(core_calls.plan_answer(draft, devices, known.report if known else None))

    def _answer_catalog(self, wanted: CatalogWanted) -> None:
        self._post(core_calls.catalog_answer(wanted.model_folders, wanted.worker_python))

    def _answer_data(self, draft: RunConfig) -> None:
        key = core_calls.data_key(draft)
        answer = self._reports.get(key)
        if answer is None:
            answer = self._ask_worker(draft)
            if answer is None:
                return
            if answer.report is not None:
                while len(self._reports) >= REPORTS_KEPT:
                    self._reports.pop(next(iter(self._reports)))
                self._reports[key] = answer
        self._post(DataReady(draft, answer.report, answer.problem))
        newest = self._draft
        if self._planner is not None and newest is not None and answer.report is not None:
            if core_calls.data_key(newest) == key:
                self._planner.ask(newest)  # steps and epochs can now be told exactly

    def _ask_worker(self, draft: RunConfig) -> DataReady | None:
        """Return the worker's answer; None when something newer is wanted."""
        from trainer_core.run.processes.data_worker import DataWorker

        try:
            self._data_worker = worker = DataWorker(draft)
            if self._newer_data_wanted():
                self._kill_data()
            answer = core_calls.data_answer(worker, draft, self._post)
        except Exception as error:  # the outermost line of the data thread
            answer = DataReady(draft, None, core_calls.sentence(error, "The data cannot be read"))
        finally:
            self._data_worker = None
        return None if self._newer_data_wanted() else answer

    def _newer_data_wanted(self) -> bool:
        return self._data is not None and self._data.superseded

    def _kill_data(self) -> None:
        worker = self._data_worker
        if worker is not None:
            worker.kill()


def _nowhere(message: Message) -> None:
    """Facts that come after the end are dropped."""
