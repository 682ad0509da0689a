"""`moai-tui`: the dashboard, and every command.

The bare command, `smi`, `--version` and `--help` are answered before typer is imported; each
other command loads its own module only. Textual is loaded by the dashboard alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from moai_tui import linear, terminal

if TYPE_CHECKING:
    import typer

USER_MISTAKE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

COMMANDS = {
    "smi": "accelerators, memory and processes, as the platform's moreh-smi",
    "switch": "choose an accelerator size",
    "device": "add, remove and choose your accelerators",
    "plan": "will it fit, how fast, how long: per size",
    "train": "start a run and follow it",
    "runs": "list the runs",
    "show": "one run in numbers",
    "events": "every event of a run as JSON lines",
    "logs": "the logs of a run",
    "attach": "open the dashboard on a run",
    "stop": "stop a run: it saves itself first",
    "pause": "save a run and free its devices",
    "resume": "continue a paused, stopped, failed or lost run",
    "save": "have a run save a checkpoint now",
    "set": "change the learning rate of a running run",
    "extend": "give a running run more steps",
    "generate": "text from a run or any model folder",
    "data": "what the model will see of a dataset",
    "export": "write a run's model as a Hugging Face folder",
    "verify": "hash every checkpoint and read every event of a run again",
    "clean": "remove what is safe to remove, after showing it",
    "doctor": "what is installed, seen and usable here",
}
"""Each command stands in the module of its name in `moai_tui.commands`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    os.umask(0o077)
    arguments = list(sys.argv[1:] if argv is None else argv)
    from trainer_core.errors import UserError, unwritable

    try:
        return _run(arguments)
    except UserError as error:
        _complain(str(error))
        return USER_MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None:
            raise
        _complain(str(unwritable(error)))
        return USER_MISTAKE


def help_text() -> str:
    """Return the text of `moai-tui --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: moai-tui [COMMAND] [OPTIONS]",
            "",
            "Without a command: opens the dashboard; with --linear as plain lines and a prompt.",
            "",
            *lines,
            "",
            "moai-tui COMMAND --help tells the options of a command.",
        ]
    )


def command_app(names: Sequence[str]) -> typer.Typer:
    """Return the typer application with these commands registered."""
    import typer

    app = typer.Typer(
        name="moai-tui",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # A callback keeps `moai-tui COMMAND` a group when only one command is loaded.
    app.callback()(lambda: None)
    for name in names:
        import_module(f"moai_tui.commands.{name}").register(app)
    return app


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help", "help"):
        sys.stdout.write(help_text() + "\n")
        return 0
    if first in ("-V", "--version"):
        from trainer_core import __version__

        sys.stdout.write(f"moai-tui {__version__}\n")
        return 0
    if not first or linear.is_wanted(arguments):
        return _home(arguments)
    _export_settings()
    if first == "smi":
        smi: int = import_module("moai_tui.commands.smi").run(arguments[1:])
        return smi
    if first not in COMMANDS:
        return _unknown(first)
    return _run_typer(arguments)


def _run_typer(arguments: list[str]) -> int:
    import typer

    # Typer carries its own click since 0.20; the class is found where this version has it.
    usage_error: type[Exception] = next(
        base
        for base in typer.BadParameter.__mro__
        if base.__name__ == "ClickException" and issubclass(base, Exception)
    )
    command = typer.main.get_command(command_app([arguments[0]]))
    try:
        code = command.main(arguments, prog_name="moai-tui", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except usage_error as error:
        _complain(str(getattr(error, "format_message", error.__str__)()))
        _complain(f"moai-tui {arguments[0]} --help tells the options.")
        return USER_MISTAKE
    return code if isinstance(code, int) else 0


def _unknown(name: str) -> int:
    import difflib

    from trainer_core.foreign_text import show_line

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else "moai-tui --help lists the commands"
    _complain(f"{show_line(name, 60)}: there is no such command; {hint}")
    return USER_MISTAKE


def _home(arguments: Sequence[str]) -> int:
    """Open the dashboard; for pipes and terminals that cannot draw, print what it would show."""
    if linear.is_wanted(arguments):
        _export_settings()
        return linear.run(_print_home, main)
    if terminal.is_usable():
        from moai_tui.opening import open_dashboard

        return open_dashboard()  # reads the settings itself, behind its first picture
    _export_settings()
    _print_home()
    _complain("This is no terminal that can draw; `moai-tui --help` lists the commands.")
    return 0


def _print_home() -> int:
    """Print what the first screen shows: accelerators, then runs."""
    import_module("moai_tui.commands.smi").run([])
    sys.stdout.write("\n")
    import_module("moai_tui.commands.runs").runs(json=False)
    return 0


def _export_settings() -> None:
    from moai_tui.settings import export_settings, load_settings

    export_settings(load_settings())


def _complain(text: str) -> None:
    from moai_tui.commands.output import write_line
    from trainer_core.foreign_text import show

    write_line(show(text), to=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
