"""Reading files in whose place somebody may have left a pipe: nobody is kept waiting."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, unbuffered.

    Raises:
        FileNotFoundError: If it is missing, or a pipe, a device, a folder: no file at all.
        OSError: If it may not be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(errno.ENOENT, "is no file", str(path))
    return open(handle, "rb", buffering=0)


def read_regular(path: Path) -> bytes:
    """Return what a file holds; raises as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()
