"""A rank's log on disk: safe to print, bounded in size, never a reason to stop training."""

from __future__ import annotations

import os
from pathlib import Path

from trainer_core.foreign_text import show_line

FILE_BYTES = 32 * 2**20
"""A full log moves to `.1` and a new one begins: at most twice this much a rank."""
LINE_BYTES = 64 * 1024
"""A longer line is cut: its rest is left out up to its end."""
TAIL_BYTES = 64 * 1024


class RankLog:
    """Writes what a rank says, line by line, through the border for foreign text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = b""
        self._cut = False
        self._file = _open(path)
        self._size = os.fstat(self._file).st_size

    def feed(self, block: bytes) -> None:
        """Take raw output as it comes; whole lines are written at once."""
        lines = (self._torn + block).split(b"\n")
        self._torn = lines.pop()
        shown = [text for line in lines if (text := self._line(line)) is not None]
        if len(self._torn) > LINE_BYTES:
            if not self._cut:
                shown.append(show_line(self._torn))
            self._torn, self._cut = b"", True
        if shown:
            self._write(("\n".join(shown) + "\n").encode())

    def close(self) -> None:
        """Write an unfinished last line and close the file."""
        if self._torn:
            self.feed(b"\n")
        os.close(self._file)

    def _line(self, line: bytes) -> str | None:
        if self._cut:
            self._cut = False
            return None
        # A progress bar rewrites its line after a carriage return: the last state counts.
        return show_line(line.rstrip(b"\r").rpartition(b"\r")[2])

    def _write(self, data: bytes) -> None:
        try:
            if self._size > FILE_BYTES:
                os.close(self._file)
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self._file, self._size = _open(self.path), 0
            self._size += os.write(self._file, data)
        except OSError:
            return  # a full disk takes log lines, not the run


def read_tail(path: Path, size: int = TAIL_BYTES) -> str:
    """Return the last `size` bytes of a log as text; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)
