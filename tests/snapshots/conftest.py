"""Pictures are taken and compared only where they come out the same: pinned Textual and Python."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import textual

ROOT = Path(__file__).parents[2]
PYTHON = (3, 11)
"""Unicode tables, and with them widths, differ between Pythons."""

_spec = importlib.util.spec_from_file_location(
    "scripted_dashboard", ROOT / "tests/moai_tui/conftest.py"
)
_scripted = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scripted)
own_folders, scripted_app = _scripted.own_folders, _scripted.scripted_app
frozen_clock, facts = _scripted.frozen_clock, _scripted.facts


def pinned_textual() -> str:
    found = re.search(r"^textual==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return found[1] if found else "none"


def pytest_collection_modifyitems(config, items):
    """Skip pictures elsewhere; refuse to take new ones there."""
    if textual.__version__ == pinned_textual() and sys.version_info[:2] == PYTHON:
        return
    reason = f"pictures hold for Textual {pinned_textual()} and Python {PYTHON[0]}.{PYTHON[1]} only"
    if config.getoption("--snapshot-update", default=False):
        pytest.exit(f"no pictures are taken here: {reason}", returncode=2)
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def still(monkeypatch, frozen_clock):
    """The same host, no blinking, no terminal of the developer's."""
    monkeypatch.setattr("socket.gethostname", lambda: "gpu07")
    for name in ("NO_COLOR", "COLORTERM", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
