"""What a field of the form is: its name, its words, and how text becomes its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from trainer_core.run.config.fields import FieldValue, value_of
from trainer_core.run.config.run_config import RunConfig

Kind = Literal["text", "combo", "choice"]
"""`text` is typed, `combo` typed or picked from a list, `choice` only picked."""


class WrongText(Exception):
    """What was typed is no value of the field; `str()` is the sentence beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One line of a list to pick from."""

    value: FieldValue
    label: str
    """What the field shows once it is picked."""
    details: tuple[str, ...] = ()
    """Columns beside the label in the list."""
    group: str = ""
    """Heading it stands under; choices of a group follow one another."""
    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldSpec:
    """One field of the form."""

    name: str
    """Dotted name in `RunConfig`."""
    label: str
    help: str
    """What it means, one sentence for the line at the bottom."""
    kind: Kind = "text"
    read: Callable[[str], FieldValue] = str
    """Typed text → value; raises WrongText."""
    choices: tuple[Choice, ...] = ()
    """For kind `choice`, where the list never changes."""
    many: bool = False
    """Whether several lines of the list may be picked."""

    @property
    def unset(self) -> FieldValue:
        """The value of a field that is left empty: None where the core chooses."""
        return value_of(RunConfig(), self.name)


YES_NO = (Choice(value=False, label="no"), Choice(value=True, label="yes"))


def whole_number(text: str) -> int:
    """Read a whole number; `1_000`, `1,000` and `2k` are understood.

    Raises:
        WrongText: If it is none.
    """
    bare = text.strip().lower().replace("_", "").replace(",", "")
    factor = {"k": 1000, "m": 1_000_000}.get(bare[-1:], 1)
    digits = bare[:-1] if factor > 1 else bare
    if not (digits.isascii() and digits.removeprefix("-").isdigit()):
        raise WrongText(f"{text!r} is no whole number; write one like 512")
    return int(digits) * factor


def number(text: str) -> float:
    """Read a number such as `3e-4` or `0.0003`.

    Raises:
        WrongText: If it is none, or not finite.
    """
    try:
        value = float(text.strip())
    except ValueError:
        raise WrongText(f"{text!r} is no number; write one like 3e-4") from None
    if not math.isfinite(value):
        raise WrongText(f"{text!r} is not finite; write a number like 3e-4")
    return value


def words(text: str) -> tuple[str, ...]:
    """Read a list separated by commas or spaces."""
    return tuple(text.replace(",", " ").split())


def shown(value: FieldValue) -> str:
    """Return a value as a person would type it; None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return _short(value)
    return str(value)


def _short(value: float) -> str:
    """Write a number in as few signs as read back as the same: `0.0003` is `3e-4`."""
    if value and abs(value) < 0.001:
        mantissa, exponent = f"{value:e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        text = f"{value:g}"
    return text if float(text) == value else repr(value)
