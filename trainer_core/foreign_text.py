"""The border for text from outside: data, logs, names become visible characters, nothing else.

A terminal obeys escape sequences wherever they come from: one log line can set the window
title or the clipboard. `show` is the only way from such text to a terminal or a widget.
"""

from __future__ import annotations

import re
import unicodedata

SHOWN_LIMIT = 4000
"""Characters kept by default: a screen is less, and one 10 MB line froze widgets for seconds."""

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2028\u2029\u2060-\u2065"
_INVISIBLE_TOO = "\u206a-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000fffff\U00100000-\U0010ffff"
_TAGS = "\U000e0000-\U000e0fff"
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    f"{_BIDI}{_INVISIBLE}{_INVISIBLE_TOO}{_PRIVATE}{_TAGS}\ufdd0-\ufdef\ufffe\uffff]"
)
_CONTROL_PICTURES = 0x2400
"""Unicode's own pictures of the 32 control characters start here: ESC is shown as ␛."""
_STACKED_MARKS = 4
"""Combining marks kept on one character; more paint over the lines above."""


def show(text: str | bytes, limit: int = SHOWN_LIMIT) -> str:
    """Return `text` with everything a terminal would obey made visible, clipped to `limit`.

    Line feeds and tabs stay; a carriage return becomes a picture as other controls do.
    Bytes are read as UTF-8, undecodable ones become U+FFFD. A cut ends in `…`.
    """
    if isinstance(text, bytes):
        text = text[: 4 * limit + 4].decode("utf-8", "replace")
    clipped = text[: limit + 1]
    if clipped.isascii() and clipped.isprintable():
        shown = clipped
    else:
        shown = _HOSTILE.sub(_visible, unicodedata.normalize("NFC", clipped))
        shown = _without_stacks(shown)
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def show_line(text: str | bytes, limit: int = SHOWN_LIMIT) -> str:
    """Return `show(text)` on one line: line feeds and tabs become pictures too."""
    shown = show(text, limit)
    return shown.replace("\n", "␊").replace("\t", " ") if "\n" in shown or "\t" in shown else shown


def show_json(text: str | bytes) -> str:
    r"""Return JSON of the same value in which every character a terminal would obey is escaped.

    Encoders escape the 32 control characters alone; C1 controls, direction overrides and the like
    pass them. In JSON such characters stand in strings only, where `\uXXXX` means the same.
    """
    whole = text.decode() if isinstance(text, bytes) else text
    return whole if whole.isascii() and "\x7f" not in whole else _HOSTILE.sub(escaped, whole)


def escaped(match: re.Match[str]) -> str:
    """Return the matched character as JSON escapes it; line ends stay."""
    character = match.group()
    if character in "\r\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{pair.hex()}" for pair in pairs)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == 0x7F:
        return "␡"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"<U+{code:04X}>"


def _without_stacks(text: str) -> str:
    if text.isascii() or not any(map(unicodedata.combining, text)):
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _STACKED_MARKS:
            kept.append(character)
    return "".join(kept)
