from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moai_tui import __main__ as entry
from trainer_core import __version__
from trainer_core.errors import UserError

ROOT = Path(entry.__file__).parent.parent


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys; from moai_tui.__main__ import main; code = main(sys.argv[1:]);"
        "print('MODULES', *sys.modules); sys.exit(code)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "MOAI_TUI_CPU_DEVICES": "1"},
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("argument", ["--help", "-h", "--version", "smi"])
def test_quick_answers_load_neither_typer_nor_textual_nor_torch(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    heavy = {"typer", "textual", "torch", "numpy", "transformers", "rich"}
    assert not heavy & modules_after(argument)


def test_listing_runs_loads_neither_textual_nor_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    assert not {"textual", "torch", "numpy", "transformers"} & modules_after("runs")


def test_help_names_every_command_that_can_be_run() -> None:
    import typer

    names = set(entry.COMMANDS) - {"smi"}  # smi is answered before typer is loaded
    group = typer.main.get_command(entry.command_app(tuple(names)))
    assert set(group.commands) == names  # type: ignore[attr-defined]
    files = {path.stem for path in (ROOT / "moai_tui" / "commands").glob("*.py")}
    assert set(entry.COMMANDS) <= files
    for name in entry.COMMANDS:
        assert f"  {name} " in entry.help_text()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--version"]) == 0
    assert capsys.readouterr().out == f"moai-tui {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shwo"], "did you mean show?"),
        (["\x1b[31m"], "␛[31m"),
        (["show"], "RUN"),
        (["show", "--bad"], "--bad"),
    ],
)
def test_a_wrong_command_line_is_exit_2(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    from moai_tui.commands import output

    output.ascii_only.cache_clear()
    assert entry.main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "\x1b" not in error


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (UserError("no"), 2),
        (KeyboardInterrupt(), 130),
        (PermissionError(13, "Permission denied", "/x"), 2),
    ],
)
def test_what_ends_a_command_has_its_code(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: list[str]) -> int:
        raise raised

    monkeypatch.setattr(entry, "_run", fail)
    assert entry.main(["runs"]) == code


def test_bare_without_a_terminal_prints_the_home_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "1")
    monkeypatch.setattr(entry.terminal, "is_usable", lambda: False)
    assert entry.main([]) == 0
    said = capsys.readouterr()
    assert "No runs yet" in said.out
    assert "moai-tui --help" in said.err


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    answer = subprocess.run(
        f"{sys.executable} -m moai_tui --help | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr
