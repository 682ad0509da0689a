"""Themes: `themes/*.yaml` of the package and of the user, turned into Textual themes.

A file holds the fields of Textual's `Theme` and, below `variables`, ours. A file that cannot
be used is one sentence with file, line and what to do; the dashboard opens all the same.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moai_tui import looks
from trainer_core.errors import UserError
from trainer_core.folders import data_root

if TYPE_CHECKING:
    from textual.theme import Theme

FITTING = "auto"
"""Instead of a theme's name: the one that suits the terminal (`looks.fitting_theme`)."""

BLENDS = {"muted": 0.62, "faint": 0.32}
"""Our own two greys: so much of the foreground over the background. Textual's own
`text-muted` has an alpha that a widget which draws its own lines cannot use."""

VARIABLES = {
    "loss-train": "primary",
    "loss-eval": "warning",
    "load-low": "success",
    "load-mid": "warning",
    "load-high": "error",
    "memory-tight": "warning",
}
"""Our own variables, and the standard colour that stands in where a theme leaves one out."""

COLOURS = (
    "primary",
    "secondary",
    "warning",
    "error",
    "success",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
)
NUMBERS = ("luminosity_spread", "text_alpha")
OTHERS = ("name", "dark", "variables", "author", "description", "homepage")


@dataclass(frozen=True, slots=True)
class Themes:
    """Every theme that can be used, and a sentence for each file that cannot."""

    themes: tuple[Theme, ...]
    notices: tuple[str, ...]


class ThemeError(UserError):
    """One sentence: file, line, what is wrong, what to do."""


def builtin_theme_dir() -> Path:
    """Return the folder of the themes that come with the program.

    In the wheel they lie inside the package, in a checkout beside it.
    """
    inside = Path(__file__).with_name("themes")
    return inside if inside.is_dir() else inside.parent.parent / "themes"


def user_theme_dir() -> Path:
    """Return the folder of the user's own themes, whether or not it exists."""
    return data_root() / "themes"


def load_themes(folders: Iterable[Path] | None = None) -> Themes:
    """Read every theme file; of two with one name the later wins, so a user may mend ours."""
    if folders is None:
        folders = (builtin_theme_dir(), user_theme_dir())
    themes: dict[str, Theme] = {}
    notices: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            try:
                theme, odd = read_theme(path)
            except ThemeError as error:
                notices.append(str(error))
            else:
                themes[theme.name] = theme
                notices += odd
    return Themes(tuple(themes.values()), tuple(notices))


def chosen(wanted: str, known: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the theme to use, and what to say where `wanted` is none.

    Args:
        wanted: A theme's name, or `FITTING`.
        known: Names of all there are.
    """
    names = sorted(known)
    if wanted in names:
        return wanted, ()
    notice = f"There is no theme {wanted}; known are {', '.join(names)}."
    return looks.fitting_theme(), () if wanted == FITTING else (notice,)


def variable_defaults(theme: Theme) -> dict[str, str]:
    """Return a colour for each of our own variables, for themes that do not know them."""
    from textual.color import Color

    generated = theme.to_color_system().generate()
    defaults = {ours: generated[standard] for ours, standard in VARIABLES.items()}
    if theme.ansi or not all(
        generated[name].startswith("#") for name in ("background", "foreground")
    ):
        return defaults | dict.fromkeys(BLENDS, generated["foreground"])
    back, front = (Color.parse(generated[name]) for name in ("background", "foreground"))
    return defaults | {name: back.blend(front, part).hex6 for name, part in BLENDS.items()}


def read_theme(path: Path) -> tuple[Theme, list[str]]:
    """Read one theme file.

    Returns:
        The theme, and a sentence for each key that was left out because nobody knows it.

    Raises:
        ThemeError: It cannot be used.
    """
    content, lines = _mapping(path)
    theme: dict[str, Any] = {}
    odd = []
    for key, value in content.items():
        place = f"{path}:{lines.get(key, 1)}"
        if key in COLOURS:
            theme[key] = _colour(value, place, key)
        elif key in NUMBERS:
            theme[key] = _number(value, place, key)
        elif key == "dark":
            theme[key] = _truth(value, place)
        elif key == "variables":
            theme[key] = _variables(value, place, lines)
        elif key not in OTHERS:
            near = difflib.get_close_matches(str(key), (*COLOURS, *NUMBERS, *OTHERS), n=1)
            hint = f"did you mean {near[0]}?" if near else "take it out"
            odd.append(f"{place}: {key} is not part of a theme; {hint}")
    for needed in ("name", "primary"):
        if not isinstance(content.get(needed), str):
            raise ThemeError(f"{path}:1: {needed} is missing; add a line `{needed}: …`")
    return _build(str(content["name"]), theme), odd


def _build(name: str, fields: dict[str, Any]) -> Theme:
    from textual.theme import Theme

    return Theme(name=name, **fields)


def _mapping(path: Path) -> tuple[dict[Any, Any], dict[Any, int]]:
    """Return the file's content and the 1-based line of each key, nested ones included."""
    content: Any = _plainly(path)
    if content is None:
        from trainer_core.yaml_text import read_yaml_file

        try:
            content = read_yaml_file(path)
        except UserError as error:
            raise ThemeError(str(error)) from None
    if not isinstance(content, dict):
        raise ThemeError(f"{path}:1: not a theme; start with `name: my-theme`")
    lines: dict[Any, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        key, colon, _ = line.strip().partition(":")
        if colon:
            lines.setdefault(key.strip("'\""), number)
    return content, lines


PLAIN_LINE = re.compile(
    r"""(?P<indent>(?:\ \ )?)(?P<key>[A-Za-z][\w-]*):
    (?:\ +(?:"(?P<quoted>[^"\\]*)"|(?P<truth>true|false)|(?P<number>\d\.\d+)
    |(?P<word>(?!(?:true|false|yes|no|on|off|null|y|n)\b)[a-z][a-z0-9_-]*)))?\ *(?:\ \#.*)?""",
    re.VERBOSE,
)


def _plainly(path: Path) -> dict[str, Any] | None:
    """Read a theme of the simplest form without PyYAML (40 ms); None where it is not one."""
    content: dict[str, Any] = {}
    below: dict[str, Any] | None = None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        found = PLAIN_LINE.fullmatch(line)
        into = below if found and found["indent"] else content
        if found is None or into is None or found["key"] in into:
            return None
        value = _plain_value(found)
        if into is content:
            below = {} if value is None else None
            value = below if value is None else value
        elif value is None:
            return None
        into[found["key"]] = value
    return content if content and {} not in content.values() else None


def _plain_value(found: re.Match[str]) -> Any:
    if found["truth"]:
        return found["truth"] == "true"
    if found["number"]:
        return float(found["number"])
    return found["quoted"] if found["quoted"] is not None else found["word"]


def _colour(value: object, place: str, key: str) -> str:
    from textual.color import Color, ColorParseError

    try:
        Color.parse(str(value))
    except ColorParseError:
        raise ThemeError(
            f"{place}: {key} is {value!r}, which is no colour; write # and six hexadecimal digits"
        ) from None
    return str(value)


def _number(value: object, place: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ThemeError(f"{place}: {key} is {value!r}; use a number from 0 to 1")
    return float(value)


def _truth(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise ThemeError(f"{place}: dark is {value!r}; use true or false")
    return value


def _variables(value: object, place: str, lines: dict[Any, int]) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ThemeError(f"{place}: variables holds no names; indent `name: colour` below it")
    path = place.rsplit(":", 1)[0]
    for key, colour in value.items():
        if key in VARIABLES or key in BLENDS:
            _colour(colour, f"{path}:{lines.get(key, 1)}", str(key))
    return {str(key): str(colour) for key, colour in value.items()}
