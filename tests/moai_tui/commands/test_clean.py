"""`clean` shows first, and asks before it removes."""

from __future__ import annotations

import io
import json
import sys


def test_it_shows_asks_and_removes(moai, new_run, monkeypatch):
    left = new_run().path / "checkpoints" / ".tmp-step-00000004-1-1"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"x" * 9000)
    assert moai("clean", "--dry-run") == 0
    assert str(left) in moai.out
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert moai("clean") == 2
    assert "--yes" in moai.err
    answers = io.StringIO("n\ny\n")
    answers.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", answers)
    assert moai("clean") == 0
    assert "Nothing was removed" in moai.out
    assert left.is_dir()
    assert moai("clean") == 0
    assert "Removed 1 of 1" in moai.out
    assert not left.exists()
    assert moai("clean", "--json", "--yes") == 0
    assert json.loads(moai.out) == {"found": [], "removed_bytes": 0}
