"""The real dashboard in a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest
from ptyprocess import PtyProcess

from moai_tui import opening
from trainer_core.errors import UserError

ROOT = Path(__file__).parents[2]
MODES = ("?1049", "?1000", "?1003", "?1006", "?2004", "?1004")


def opened(tmp_path):
    environ = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "MOAI_TUI_HOME": str(tmp_path / "home"),
        "MOAI_TUI_CPU_DEVICES": "1",
    }
    return PtyProcess.spawn(
        [sys.executable, "-m", "moai_tui"], env=environ, dimensions=(24, 80), cwd=str(tmp_path)
    )


def read_until(process, text, seconds=30.0):
    """Read what is written until `text` is on the wire."""
    seen = ""
    end = time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < end, f"{text!r} did not come; last: {seen[-400:]!r}"
        seen += process.read(65536).decode("utf-8", "replace")
    return seen


def rest(process):
    seen = ""
    while True:
        try:
            seen += process.read(65536).decode("utf-8", "replace")
        except EOFError:
            return seen


def left_on(output):
    """Modes that were switched on last and never off."""
    return [
        mode
        for mode in MODES
        if (switches := re.findall(re.escape(f"\x1b[{mode}") + "([hl])", output))
        and switches[-1] == "h"
    ]


@pytest.mark.parametrize(
    ("how", "code"),
    [("q", 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
    ids=["key", "TERM", "HUP", "QUIT"],
)
def test_it_is_left_with_the_terminal_as_it_was(tmp_path, how, code):
    process = opened(tmp_path)
    try:
        output = read_until(process, "reading accelerators")
        assert "\x1b[?1003h" not in output, "the first frame comes before Textual"
        output += read_until(process, "No runs yet")
        if how == "q":
            process.write(b"q")
        else:
            process.kill(how)
        output += rest(process)
        process.wait()
        assert process.exitstatus == code
        assert left_on(output) == []
        assert "\x1b[?25h" in output[-400:], "the cursor is shown again"
    finally:
        process.close(force=True)


def test_killed_outright_it_still_leaves_a_usable_terminal(tmp_path):
    process = opened(tmp_path)
    try:
        before = termios.tcgetattr(process.fd)
        output = read_until(process, "No runs yet")
        assert termios.tcgetattr(process.fd) != before
        process.kill(signal.SIGKILL)
        output += rest(process)
        process.wait()
        assert process.signalstatus == signal.SIGKILL
        assert left_on(output) == []
        assert output.endswith("\x1b[?25h\x1b[?7h")
    finally:
        process.close(force=True)


def test_after_ctrl_z_and_back_the_screen_is_whole_again(tmp_path):
    process = opened(tmp_path)
    try:
        read_until(process, "No runs yet")
        process.write(b"\x1a")
        output = read_until(process, "\x1b[?1049l")
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.02)
        assert left_on(output) == []
        process.kill(signal.SIGCONT)
        output = read_until(process, "No runs yet")
        if "Accelerators" not in output:  # what waited to be painted came before the whole
            output += read_until(process, "Accelerators")
        assert "Accelerators" in output
        process.write(b"q")
        rest(process)
        process.wait()
        assert process.exitstatus == 0
    finally:
        process.close(force=True)


def test_killed_while_it_imports_it_still_leaves_the_terminal(tmp_path):
    process = opened(tmp_path)
    try:
        output = read_until(process, "reading accelerators")
        process.kill(signal.SIGTERM)
        output += rest(process)
        process.wait()
        assert process.exitstatus == 143
        assert left_on(output) == []
    finally:
        process.close(force=True)


def test_without_textual_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(opening.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs Textual"):
        opening.open_dashboard()


def loaded_by(statement):
    """Return the top-level modules a statement loads in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True
    )
    return set(answer.stdout.decode().split())


def test_the_first_picture_needs_no_textual():
    found = loaded_by("import moai_tui.opening")
    assert "moai_tui" in found
    assert not found & {"textual", "rich", "yaml", "msgspec"}


def test_the_first_screen_loads_nothing_that_it_can_do_without():
    """A fifth of the start was YAML, the checks of configurations, and OpenSSL."""
    found = loaded_by(
        "from moai_tui import opening; opening._import_asyncio(); import moai_tui.app,"
        " moai_tui.live, moai_tui.settings, moai_tui.screens.dashboard,"
        " trainer_core.accelerators.inventory, trainer_core.accelerators.occupancy,"
        " trainer_core.run.overview.listing"
    )
    assert "textual" in found
    assert not found & {"torch", "transformers", "datasets", "numpy"}
    assert not found & {"yaml", "ssl", "_ssl", "_hashlib", "ctypes", "psutil"}


def test_after_the_dashboards_import_of_asyncio_openssl_is_to_be_had():
    assert "ssl" in loaded_by("from moai_tui import opening; opening._import_asyncio(); import ssl")
