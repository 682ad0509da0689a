"""The platform's own menu is answered by name, never by a fixed number."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators.base import Size
from trainer_core.accelerators.moai_switch import switch_model
from trainer_core.errors import UserError

MENU = """Current KT AI Accelerator: Small.64GB

1. Small.64GB  *
2. 4xLarge.2048GB
13. 1.5xLarge.768GB

Selection (1-13, q, Q): """
LARGE = Size(devices=32, device_memory_gb=64)


def platform(answer: str):
    heard: list[str] = []

    def run(text: str) -> str:
        heard.append(text)
        return MENU if text == "q\n" else answer

    return run, heard


def test_the_number_is_looked_up_by_name() -> None:
    run, heard = platform('The model is successfully switched to  "4xLarge.2048GB".')
    switch_model(LARGE, run)
    assert heard == ["q\n", "2\nq\n"]


def test_a_size_that_is_not_offered_asks_nothing_of_the_platform() -> None:
    run, heard = platform("")
    with pytest.raises(UserError, match=r"does not offer xLarge\.512GB"):
        switch_model(Size(devices=8, device_memory_gb=64), run)
    assert heard == ["q\n"]


@pytest.mark.parametrize(
    ("answer", "said"), [("", "nothing"), ("moreh::InvalidToken\n\n", "moreh::InvalidToken")]
)
def test_a_refusal_is_passed_on(answer: str, said: str) -> None:
    run, _ = platform(answer)
    with pytest.raises(UserError, match=f"did not switch to 4xLarge.2048GB; it said: {said}"):
        switch_model(LARGE, run)


def test_a_real_program_gets_its_answers_through_a_pipe(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "moreh-switch-model"
    tool.write_text(
        '#!/bin/sh\necho "8. 4xLarge.2048GB"\nread answer\n'
        '[ "$answer" = 8 ] && echo "successfully switched"\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    switch_model(LARGE)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="not found"):
        switch_model(LARGE)
