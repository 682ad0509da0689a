"""Hand a command its words as they are, where its form is the platform's and not typer's.

Such a command's `run` takes the words after its name, answers `--help` itself and returns the
exit code; a `UserError` and ctrl-c pass through it to the program, which gives them their codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer


def add(app: typer.Typer, name: str, run: Callable[[Sequence[str]], int], text: str) -> None:
    """Register a command that reads its own arguments, `--help` included.

    Args:
        app: The application.
        name: Name of the command.
        run: Takes the words after the name and returns the exit code.
        text: One line for the list of commands.
    """
    settings = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }

    def command(context: typer.Context) -> None:
        raise typer.Exit(run(context.args))

    app.command(name, help=text, add_help_option=False, context_settings=settings)(command)
