"""Having a dataset read by the worker whose torch trains: the one call of start and of the form.

The worker is `python -m trainer_core data … --json --progress`: a line for each look at a
download, then the report. It imports what this process must not.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import msgspec

from trainer_core.errors import ConfigError, UserError
from trainer_core.foreign_text import show
from trainer_core.run.config.config_file import dump_config
from trainer_core.run.config.data_report import DataReport, DownloadTold
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.process import core_command, core_environment

SILENT_SECONDS = 600.0
"""A worker that is silent for so long is given up; a download may last as long as it goes on."""

_SENTENCES = 24
"""A worker names twenty broken rows, how many more there are, and the way out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """How far the download of a dataset is."""

    done: int
    """Bytes on this machine."""
    total: int | None
    """Bytes in all; None where the hub does not say."""
    seconds: float
    """Since the first look at it."""


OnDownload = Callable[[Download], None]


class DataWorker:
    """One worker reading one dataset; made by whoever waits for it, killed by anybody."""

    def __init__(self, config: RunConfig) -> None:
        """Start it.

        Args:
            config: Everything but its `dataset` shapes how the rows are read.

        Raises:
            ConfigError: If its interpreter cannot be run.
        """
        self._config = config
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        command = core_command(
            *("data", config.dataset, "--config", "-", "--json", "--progress"),
            python=worker_python(config),
        )
        read_end, write_end = os.pipe()
        with tempfile.TemporaryFile() as text:
            text.write(dump_config(config).encode())
            text.seek(0)
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=text,
                    stdout=write_end,
                    stderr=self._errors,
                    start_new_session=True,
                    env=core_environment(),
                )
            except OSError as error:
                os.close(read_end)
                why = str(error.strerror)
                raise ConfigError(
                    "worker.python", command[0], "name a Python with torch", why
                ) from error
            finally:
                os.close(write_end)
        self._output = open(read_end, "rb", buffering=0)

    def kill(self) -> None:
        """End it; whoever waits for it hears that it ended."""
        if self.process.poll() is None:
            self.process.kill()

    def report(self, on_download: OnDownload | None = None) -> DataReport | None:
        """Wait for the worker.

        Args:
            on_download: Told a few times a second how far a download is.

        Returns:
            The report, broken rows in it; None where the worker died without one.

        Raises:
            UserError: If it says nothing for ten minutes.
        """
        report: DataReport | None = None
        since: float | None = None
        try:
            for line in self._lines():
                told = _told(line)
                if isinstance(told, DataReport):
                    report = told
                elif told is not None:
                    since = since or time.monotonic()
                    seconds = time.monotonic() - since
                    if on_download is not None:
                        on_download(Download(done=told.done, total=told.total, seconds=seconds))
        finally:
            self.kill()
            self.process.wait()
            self._output.close()
        return report

    def last_words(self) -> str:
        """Return what it said against the data, one sentence a line; empty where it said nothing.

        Exit code 2 is a sentence for people, maybe several; anything else ends in an exception.
        """
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        kept = lines[-_SENTENCES:] if self.process.returncode == 2 else lines[-1:]
        return show("\n".join(kept), 8000)

    def _lines(self) -> Iterator[bytes]:
        waiting = b""
        while True:
            if not select.select([self._output], [], [], SILENT_SECONDS)[0]:
                raise UserError(
                    f"{show(self._config.dataset, 200)}: nothing was read of it for "
                    f"{SILENT_SECONDS / 60:.0f} minutes; give a smaller file to begin with"
                )
            block = os.read(self._output.fileno(), 1 << 16)
            if not block:
                break
            *whole, waiting = (waiting + block).split(b"\n")
            yield from whole
        if waiting:
            yield waiting


def require_data(config: RunConfig, on_download: OnDownload | None = None) -> DataReport:
    """Have a worker read the dataset as a run would.

    Args:
        config: Of the run.
        on_download: Told a few times a second how far a download is.

    Raises:
        UserError: What is wrong with it, as the worker says it.
    """
    worker = DataWorker(config)
    report = worker.report(on_download)
    if worker.process.returncode != 0 or report is None:
        raise UserError(worker.last_words() or "the dataset cannot be read")
    return report


def worker_python(config: RunConfig) -> str | None:
    """Return the interpreter whose torch trains; None is our own."""
    return config.worker.python or os.environ.get("MOAI_TUI_WORKER_PYTHON") or None


def _told(line: bytes) -> DataReport | DownloadTold | None:
    """Decode a line; anything that a library printed by itself is passed over."""
    try:
        if line.startswith(b'{"type"'):
            return msgspec.json.decode(line, type=DownloadTold)
        return msgspec.json.decode(line, type=DataReport)
    except msgspec.DecodeError:
        return None
