"""Bounds on work that a foreign file asks for: a chat template may loop for ever or grow for ever.

The sandbox keeps a template from touching anything; it does not keep it from working. Time is
bounded by a thread that raises in the one at work, memory by the kernel.
"""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 5.0
"""A conversation renders in a millisecond; one of a hundred pages in a few."""
MEMORY_BYTES = 512 * 2**20
"""What the process may grow by meanwhile."""
LOOK_SECONDS = 0.5


class WorkLimitReached(Exception):
    """The work took too long or needed too much; `str()` says which."""


@contextmanager
def limited_work() -> Iterator[None]:
    """Bound what the block may take: `SECONDS` and `MEMORY_BYTES`. Costs about 20 µs.

    Only Python code can be interrupted, as a template is. Blocks do not nest.

    Raises:
        WorkLimitReached: The block was ended.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = _data_bytes() + MEMORY_BYTES
    if soft == resource.RLIM_INFINITY or bound < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    watch = _watch()
    watch.begin()
    try:
        yield
    except MemoryError as error:
        raise WorkLimitReached("it needs too much memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        watch.end()


class _Watch:
    """One thread that looks whether the work of another has taken too long."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._worker = 0
        self._raised = False
        threading.Thread(target=self._look, name="work limit", daemon=True).start()

    def begin(self) -> None:
        with self._lock:
            self._worker, self._raised = threading.get_ident(), False
            self._deadline = time.monotonic() + SECONDS

    def end(self) -> None:
        with self._lock:
            self._deadline = None
            if self._raised:
                _raise_in(self._worker, None)  # it may not have arrived yet

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self._deadline, self._raised = None, True
                    _raise_in(self._worker, _TookTooLong)


class _TookTooLong(WorkLimitReached):
    """Raised from outside, so without words of its own."""

    def __str__(self) -> str:
        return f"it takes longer than {SECONDS:.0f} s"


def _raise_in(thread: int, kind: type[Exception] | None) -> None:
    raised = ctypes.py_object(kind) if kind is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


_watches: list[_Watch] = []


def _watch() -> _Watch:
    """Return this process's watch; a forked child has none of its parent's threads."""
    if not _watches or _watches[-1].process != os.getpid():
        _watches[:] = [_Watch()]
    return _watches[-1]


def _data_bytes() -> int:
    """Return what the kernel counts as this process's data."""
    pages = Path("/proc/self/statm").read_text().split()[5]
    return int(pages) * resource.getpagesize()
