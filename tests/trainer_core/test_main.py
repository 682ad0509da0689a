from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainer_core import __main__ as core
from trainer_core.errors import UserError


def run_core(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "trainer_core", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_is_output_and_a_missing_command_is_a_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert core.main(["--help"]) == 0
    assert "supervise" in capsys.readouterr().out
    assert core.main([]) == 2
    assert core.main(["explode"]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_safe_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise UserError("bad \x1b[31mname")

    monkeypatch.setattr(core, "_train", fail)
    assert core.main(["train", "x"]) == 2
    assert capsys.readouterr().err == "bad ␛[31mname\n"


def test_what_the_system_refuses_is_a_sentence_but_for_ranks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise PermissionError(13, "Permission denied", "/x\x1b[31m")

    for name in ("_export", "_rank"):
        monkeypatch.setattr(core, name, fail)
    assert core.main(["export", "run", "/x"]) == 2
    error = capsys.readouterr().err
    assert error == "/x␛[31m: permission denied; check the path and its owner\n"
    with pytest.raises(PermissionError):
        core.main(["rank", "x"])


def test_a_rank_without_its_supervisor_ends_at_once(tmp_path: Path) -> None:
    """Whoever starts late must not train beside the next attempt."""
    mark = tmp_path / "ran"
    program = tmp_path / "rank.py"
    program.write_text(f"open({str(mark)!r}, 'w')")
    answer = run_core(
        "rank", str(tmp_path), MOAI_TUI_SUPERVISOR_PID="4194304", MOAI_TUI_TEST_RANK=str(program)
    )
    assert answer.returncode == 1
    assert not mark.exists()


def test_a_rank_may_be_started_by_another_launcher(tmp_path: Path) -> None:
    program = tmp_path / "rank.py"
    program.write_text("print('folder', run_folder)")
    answer = run_core("rank", str(tmp_path), MOAI_TUI_TEST_RANK=str(program))
    assert answer.stdout == f"folder {tmp_path}\n"


def test_the_core_starts_without_torch_or_the_dashboard() -> None:
    code = (
        "import sys; from trainer_core.__main__ import main; main(['--help']);"
        "print([m for m in ('torch', 'textual', 'moai_tui', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("variable", ["TORCHELASTIC_RUN_ID", "SLURM_STEP_ID"])
def test_a_launcher_that_starts_a_rank_by_itself_is_told_what_to_start(
    variable: str, tmp_path: Path
) -> None:
    """Without a supervisor the run would be lost."""
    answer = run_core("rank", str(tmp_path), **{variable: "0"})
    assert answer.returncode == 2
    assert "moai_tui train CONFIG --foreground" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []
