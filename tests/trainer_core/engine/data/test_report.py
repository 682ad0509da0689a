"""The command behind `moai-tui data`: lines for people, JSON for machines, exit codes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from trainer_core.engine.data.report import main, report_lines
from trainer_core.run.config.data_report import DataReport, RenderedRow

Write = Callable[..., Path]
Rows = list[dict[str, object]]
Out = pytest.CaptureFixture[str]


def test_people_read_format_counts_lengths_and_rows(
    write_rows: Write, pairs: Rows, capsys: Out
) -> None:
    path = write_rows([{**row, "note": "x"} for row in pairs])
    assert main([str(path), "--sequence-length", "64"]) == 0
    out = capsys.readouterr().out
    assert f"{path}: instruction, prompts as alpaca-short" in out
    assert "columns    instruction, output, (note)" in out
    assert "rows       40 (" in out
    assert "sequences of 64" in out
    assert "### Response:\n  ⟦It is number 0.<|endoftext|>⟧" in out


def test_json_is_the_report_and_the_sentences_go_elsewhere(
    write_rows: Write, pairs: Rows, capsys: Out
) -> None:
    path = write_rows([*pairs, {"instruction": "a"}])
    assert main([str(path), "--json"]) == 2
    captured = capsys.readouterr()
    report = msgspec.json.decode(captured.out, type=DataReport)
    assert (report.rows, report.error_count) == (40, 1)
    assert captured.err.splitlines() == [
        f"{path}:41: output: is missing; give it a text",
        "mend this row, or leave it out with --skip-bad-rows",
    ]
    assert main([str(path), "--json", "--skip-bad-rows"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=DataReport)
    assert (report.rows, report.dropped) == (40, 1)


REFUSED = [
    (["nowhere.jsonl"], "nowhere.jsonl: there is no such file, folder or preset; check the path"),
    (["python-stdlib", "--set", "data.nonsense=1"], "data.nonsense: unknown key; the nearest"),
    (["python-stdlib", "--set", "nonsense"], "--set 'nonsense': write it as section.field=value"),
    (["python-stdlib", "--config", "nowhere.yaml"], "nowhere.yaml"),
    (
        ["python-stdlib", "--set", "data.output_column=answer"],
        "data.output_column: there is no column 'answer'; choose one of module, split,",
    ),
    (["python-stdlib", "--sequence-length", "8"], "python-stdlib: no row is left to train on: all"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_what_is_refused_is_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, capsys: Out
) -> None:
    assert main([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert msgspec.json.decode(captured.out, type=DataReport).source == words[0]


def test_a_configuration_comes_on_standard_input(
    write_rows: Write, pairs: Rows, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = "model: cerebras-gpt-111m\nsequence_length: 48\ndata:\n  train_on_prompt: true\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(yaml))
    assert main([str(write_rows(pairs)), "--config", "-", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=DataReport)
    assert (report.prompt_format, report.sequence_length) == ("instruct", 48)
    # Only the first token of a row is never predicted.
    assert report.counted_tokens == (report.tokens or 0) - report.train_rows


def test_what_stands_in_the_data_obeys_nothing() -> None:
    row = RenderedRow(prompt="\x1b]0;owned\x07[bold]", answer="\x1b[2Jgone\u202e")
    report = DataReport(
        source="\x1b[31mred",
        format="text",
        prompt_format="text",
        columns=("\x1b[5mblink",),
        rows=1,
        rendered=(row,),
    )
    shown = "\n".join(report_lines(report, marks=("⟦", "⟧")))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "[bold]" in shown


def test_a_terminal_underlines_what_is_trained_and_no_indent() -> None:
    row = RenderedRow(prompt="ask\n", answer="def f():\n    pass")
    report = DataReport(
        source="d", format="f", prompt_format="p", columns=(), rows=1, rendered=(row,)
    )
    lines = report_lines(report, marks=("\x1b[4m", "\x1b[24m"))
    assert lines[-2:] == ["  \x1b[4mdef f():\x1b[24m", "      \x1b[4mpass\x1b[24m"]


def test_the_default_report_needs_no_heavy_library() -> None:
    """A form waits for it: neither torch nor transformers for what ships with the package."""
    code = (
        "import sys; from trainer_core.engine.data.report import main\n"
        "assert main(['python-stdlib', '--json']) == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout, type=DataReport).licence == "PSF-2.0"
