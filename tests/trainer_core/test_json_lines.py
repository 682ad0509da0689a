"""JSON on standard output keeps its value whatever the terminal can do."""

from __future__ import annotations

import io
import json
import sys

import pytest

from trainer_core.json_lines import write_json_line

VALUE = {"text": "é 漢字 👩 \x9b31m \u202ex \x1b]0;x\x07"}


@pytest.mark.parametrize(
    ("encoding", "plain"), [("utf-8", False), ("ascii", True), ("iso-8859-1", True)]
)
def test_the_value_survives_and_no_control_passes(
    encoding: str, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    write_json_line(json.dumps(VALUE, ensure_ascii=False).encode())
    written = stream.buffer.getvalue().decode(encoding)
    assert json.loads(written) == VALUE
    assert written.endswith("\n")
    assert written.isascii() is plain
    assert not {"\x9b", "\u202e", "\x1b"} & set(written)
