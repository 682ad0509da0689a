"""The platform's menus ask until q, the end of input or ctrl-c."""

from __future__ import annotations

import io

import pytest

from moai_tui.commands.selection import ask, menu_lines, size_numbered
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.errors import UserError


@pytest.fixture
def pool(tmp_path, monkeypatch) -> AcceleratorPool:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path))
    card = {"kind": "nvidia", "name": "NVIDIA H100 80GB HBM3"}
    return AcceleratorPool.load([DeviceSnapshot(uuid=f"GPU-{i}", index=i, **card) for i in (0, 1)])


def answers(text: str, take=lambda number: None) -> int:
    return ask(1, 13, take, io.StringIO(text))


def test_the_menu_has_thirteen_lines_a_star_and_the_reasons(pool) -> None:
    lines = menu_lines(pool, starred=True)
    assert len(lines) == 13
    assert lines[0] == "1. Small.80GB  *"
    assert lines[1] == "2. Medium.160GB"
    assert lines[2] == "3. Large.320GB  (needs 4 devices, this machine has 2 devices)"
    assert lines[12].startswith("13. 48xLarge.30720GB  (needs 384 devices")
    assert menu_lines(pool, starred=False)[0] == "1. Small.80GB"


def test_numbers_are_the_lines_of_the_menu(pool) -> None:
    assert size_numbered(pool, 8).label == "4xLarge.2560GB"
    for number in (0, 14, -1):
        with pytest.raises(UserError, match="choose a number from 1 to 13"):
            size_numbered(pool, number)


@pytest.mark.parametrize("end", ["q\n", "Q\n", "q"])
def test_q_leaves(end: str, capsys) -> None:
    taken: list[int] = []
    assert answers(f"8\n{end}", taken.append) == 0
    assert taken == [8]
    assert capsys.readouterr().out == "Selection (1-13, q, Q): " * 2


def test_the_end_of_input_leaves_on_a_line_of_its_own(capsys) -> None:
    assert answers("") == 0
    assert capsys.readouterr().out == "Selection (1-13, q, Q): \n"


@pytest.mark.parametrize("wrong", ["", "0", "14", "-1", "eight", "1.5", "²", "9" * 100, "\x00"])
def test_a_wrong_answer_gets_one_sentence_and_the_question_again(wrong: str, capsys) -> None:
    taken: list[int] = []
    assert answers(f"{wrong}\nq\n", taken.append) == 0
    assert taken == []
    prompt = "Selection (1-13, q, Q): "
    sentence = "Enter a number from 1 to 13, or q to leave.\n"
    assert capsys.readouterr().out == prompt + sentence + prompt


def test_bytes_that_are_no_text_are_a_wrong_answer(capsys) -> None:
    source = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\nq\n"), encoding="utf-8")
    assert ask(1, 13, lambda number: None, source) == 0
    assert "Enter a number" in capsys.readouterr().out


def test_a_refusal_is_printed_and_the_question_comes_again(capsys) -> None:
    def take(number: int) -> None:
        raise UserError("Large.320GB needs 4 devices")

    assert answers("3\nq\n", take) == 0
    assert "Large.320GB needs 4 devices\nSelection" in capsys.readouterr().out


def test_ctrl_c_leaves_with_its_code(capsys) -> None:
    def take(number: int) -> None:
        raise KeyboardInterrupt

    assert answers("3\n", take) == 130
    assert capsys.readouterr().out.endswith("\n")
