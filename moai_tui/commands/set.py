"""`moai-tui set RUN learning_rate=…`: another learning rate, while the run lasts."""

from __future__ import annotations

from typing import Annotated

import typer

from moai_tui.commands.show import Run
from moai_tui.commands.steering import Json, asked, living_run, tell
from trainer_core.errors import ConfigErrors, UserError
from trainer_core.foreign_text import show_line
from trainer_core.run.config.check import check
from trainer_core.run.config.config_file import override

SETTABLE = "learning_rate"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("set")(set_value)


def set_value(
    run: Run,
    setting: Annotated[str, typer.Argument(metavar="learning_rate=VALUE", help="The new peak.")],
    json: Json = False,
) -> None:
    """Change the learning rate of a running run; the schedule goes on around the new peak."""
    field, mark, text = setting.partition("=")
    if not mark or field.strip() != SETTABLE:
        raise UserError(
            f"{show_line(setting, 60)}: while a run lasts only its learning rate can be set; "
            "write learning_rate=1e-5"
        )
    directory = living_run(run, "set")
    config = override(directory.config(), {SETTABLE: text.strip()})
    errors = [error for error in check(config) if error.field == SETTABLE]
    if errors:
        raise ConfigErrors(errors)
    answer = asked(directory, "set", learning_rate=config.learning_rate)
    raise typer.Exit(tell(answer, json=json))
