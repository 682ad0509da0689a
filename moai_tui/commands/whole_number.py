"""Whole numbers on the command line, refused in this program's words and not typer's."""

from __future__ import annotations

from collections.abc import Callable

from trainer_core.errors import ConfigError

LARGEST = 10**9
"""More is a slip of the finger for anything this program counts."""


def whole_number(option: str, least: int = 0) -> Callable[[object], int]:
    """Return a parser for `typer.Option(parser=…)` that takes `least` or more.

    Args:
        option: Name of the option as it is typed, for the sentence.
        least: Smallest number allowed.

    Returns:
        A function from what was typed to the number; it raises `ConfigError`.
    """

    def parse(typed: object) -> int:
        text = str(typed)
        number = int(text) if text.isascii() and text.removeprefix("-").isdigit() else None
        if number is None or not least <= number <= LARGEST:
            raise ConfigError(option, text[:80], f"write a whole number, {least} or more")
        return number

    parse.__name__ = "number"  # typer's help shows it as the kind of value
    return parse
