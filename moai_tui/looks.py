"""What this terminal can show: signs beyond ASCII, and how many colours.

No third-party import: the first frame asks before Textual is read.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping

PLAIN_THEME, SIXTEEN_THEME, LIGHT_THEME, DARK_THEME = (
    "mono",
    "high-contrast",
    "moai-light",
    "moai-dark",
)
"""Themes for no colour, for the 16 of a console, and for light and dark backgrounds."""

MANY_COLOURS = ("256", "direct", "truecolor", "kitty", "ghostty", "alacritty", "wezterm", "foot")
"""Parts of the names of terminals that have 256 colours or more."""


def unicode_wanted(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether the locale says UTF-8 and the terminal is not the bare Linux console.

    Under `LANG=C` Python itself sets `LC_CTYPE=C.UTF-8`; the terminal knows nothing of that.
    """
    environ = os.environ if environ is None else environ
    if environ.get("TERM") in {"linux", "dumb"}:
        return False
    coerced = environ.get("LC_CTYPE") == "C.UTF-8" and environ.get("LANG") in {"C", "POSIX"}
    names = ("LC_ALL", "LANG") if coerced else ("LC_ALL", "LC_CTYPE", "LANG")
    for name in names:
        value = environ.get(name)
        if value:
            return "utf" in value.lower()
    return "utf" in (locale.getpreferredencoding(False) or "").lower()


def colour_count(environ: Mapping[str, str] | None = None) -> int:
    """Return how many colours may be used: 0, 16 or 256 (and more)."""
    environ = os.environ if environ is None else environ
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term in {"dumb", "unknown"} or "mono" in term:
        return 0
    if not term or environ.get("COLORTERM") or any(part in term for part in MANY_COLOURS):
        return 256
    # Names without a number mean old consoles; vt100 and its like have no colour at all.
    return 0 if term.startswith("vt") else 16


def fitting_theme(environ: Mapping[str, str] | None = None) -> str:
    """Return the theme that suits the terminal, for users who chose none."""
    environ = os.environ if environ is None else environ
    count = colour_count(environ)
    if count == 0:
        return PLAIN_THEME
    if count == 16:
        return SIXTEEN_THEME
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT_THEME if background in {"7", "15"} else DARK_THEME
