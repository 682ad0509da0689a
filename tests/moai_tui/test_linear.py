from __future__ import annotations

import io

import pytest

from moai_tui import linear
from moai_tui.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "variable", "wanted"),
    [(["--linear"], "", True), ([], "1", True), ([], "", False), (["runs"], "1", False)],
)
def test_lines_are_asked_for_by_option_or_variable(monkeypatch, arguments, variable, wanted):
    monkeypatch.setenv(linear.VARIABLE, variable)
    assert linear.is_wanted(arguments) is wanted


def test_commands_are_carried_out_until_q(monkeypatch, capsys):
    heard = []
    monkeypatch.setattr("sys.stdin", io.StringIO("show 'a b'\n\nwrong '\n--linear\nq\nruns\n"))
    assert (
        linear.run(lambda: heard.append("home") or 0, lambda words: heard.append(words) or 0) == 0
    )
    assert heard == ["home", ["show", "a b"]]
    said = capsys.readouterr().out
    assert "A quote is not closed" in said
    assert said.count(linear.PROMPT) == 5


def test_the_first_screen_is_lines_without_one_escape(own_folders, monkeypatch, capsys):
    """Tables, an answer, a mistake said in one sentence; then the end of input leaves."""
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO("device --list\nnonsense\n"))
    assert main(["--linear"]) == 0
    printed = capsys.readouterr()
    assert "MoAI Accelerator" in printed.out
    assert "no such command" in printed.err
    assert "\x1b" not in printed.out + printed.err
