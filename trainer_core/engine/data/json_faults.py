"""What is wrong with a piece of JSON, in words for whoever wrote it: where, what, how to mend."""

from __future__ import annotations

import json

_SHOWN_CHARACTERS = 16

_FAULTS = {
    "Expecting value": ("no value begins with {here}", "put texts in double quotes"),
    "Expecting ',' delimiter": ("a comma is missing before {here}", "put one there"),
    "Expecting ':' delimiter": ("a colon is missing before {here}", "put one there"),
    "Expecting property name enclosed in double quotes": (
        "a column's name is missing before {here}",
        "put it in double quotes",
    ),
    "Unterminated string": ("the text {here} is never closed", "end it with a double quote"),
    "Invalid control character": (
        "a line break or another control character stands in a text",
        r"write it as \n, \t or \u00…",
    ),
    r"Invalid \escape": ("a backslash stands alone in a text", "double it"),
    r"Invalid \uXXXX escape": (r"\u without four digits stands in a text", "double the backslash"),
    "Extra data": ("{here} follows its end", "put one JSON object a line"),
    "Illegal trailing comma before end of object": ("a comma has nothing after it", "remove it"),
    "Illegal trailing comma before end of array": ("a comma has nothing after it", "remove it"),
}
"""Message of the decoder → what it means and what to do. `{here}`: what stands at that place."""

_WANTS_MORE = ("Expecting value", "Expecting property name enclosed in double quotes")
"""Said of what comes after a comma; before a bracket the comma is the fault."""


def json_fault(error: ValueError) -> tuple[str, str]:
    """Return what is wrong and what to do.

    Args:
        error: Raised by `json`; a plain ValueError is a number that Python does not convert.
    """
    if not isinstance(error, json.JSONDecodeError):
        return "holds a number of thousands of digits", "shorten it, or write it in quotes"
    known = error.msg.removesuffix(" at").removesuffix(" starting").partition(": ")[0]
    what, fix = _FAULTS.get(known, (known[:1].lower() + known[1:], "mend the JSON"))
    here = error.doc[error.pos :].split("\n", 1)[0].rstrip()
    if not here and "{here}" in what:
        return "is not valid JSON: it ends too early", "write the rest of it"
    if not here and known == "Invalid control character":
        what = "a text is not closed on its line"
        fix = r"end it with a double quote, or write line breaks as \n"
    elif here[:1] in ("}", "]") and known in _WANTS_MORE:
        what, fix = "a comma has nothing after it", "remove it"
    elif error.pos == 0 and known == "Expecting value":
        fix = "put one JSON object a line"
    if len(here) > _SHOWN_CHARACTERS:
        here = here[: _SHOWN_CHARACTERS - 1] + "…"
    return f"is not valid JSON: {what.format(here=here)} (character {error.colno})", fix
