"""A command that reads its own words gets them as they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import typer
from typer.testing import CliRunner

from moai_tui.commands import device, doctor, switch
from moai_tui.commands.plain_arguments import add


@pytest.mark.parametrize("words", [[], ["8"], ["--add", "3"], ["--json", "--help"], ["-i", "1"]])
def test_words_arrive_untouched_and_the_code_comes_back(words: list[str]) -> None:
    heard: list[list[str]] = []

    def run(argv: Sequence[str]) -> int:
        heard.append(list(argv))
        return 7

    app = typer.Typer()
    app.callback()(lambda: None)
    add(app, "thing", run, "Do a thing.")
    result = CliRunner().invoke(app, ["thing", *words])
    assert heard == [words]
    assert result.exit_code == 7


def test_the_platforms_commands_register_themselves() -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    for command in (switch, device, doctor):
        command.register(app)
    names = [command.name for command in app.registered_commands]
    assert names == ["switch", "device", "doctor"]
    result = CliRunner().invoke(app, ["switch", "--help"])
    assert result.exit_code == 0
