"""Every fault of a line of JSON is said with its place and what to do."""

from __future__ import annotations

import json
import re

import pytest

from trainer_core.engine.data.json_faults import json_fault

PLACE = re.compile(r" \(character \d+\)")
"""Decoders of different versions do not count the same for a comma too many."""

FAULTS = {
    '{"a" "b"}': 'a colon is missing before "b"}; put one there',
    '{"a":"x" "b":2}': 'a comma is missing before "b":2}; put one there',
    "nope": "no value begins with nope; put one JSON object a line",
    '{"a":text}': "no value begins with text}; put texts in double quotes",
    "{a: 1}": "a column's name is missing before a: 1}; put it in double quotes",
    '{"a":"x",}': "a comma has nothing after it; remove it",
    '{"a":[1,]}': "a comma has nothing after it; remove it",
    '{"a":"C:\\d"}': "a backslash stands alone in a text; double it",
    '{"a":"\\u12"}': r"\u without four digits stands in a text; double the backslash",
    '{"a":1} {"a":2}': '{"a":2} follows its end; put one JSON object a line',
    '{"a":"x': 'the text "x is never closed; end it with a double quote',
    '{"a":"x\n': "a text is not closed on its line; "
    r"end it with a double quote, or write line breaks as \n",
    '{"a":"x\ty"}': "a line break or another control character stands in a text; "
    r"write it as \n, \t or \u00…",
    '{"a":': "it ends too early; write the rest of it",
    '{"a": a very long sentence': "no value begins with a very long sen…; "
    "put texts in double quotes",
}


@pytest.mark.parametrize(("text", "said"), FAULTS.items())
def test_a_fault_is_said_with_its_place_and_what_to_do(text: str, said: str) -> None:
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads(text)
    what, fix = json_fault(raised.value)
    assert f"{PLACE.sub('', what)}; {fix}" == f"is not valid JSON: {said}"


def test_the_place_is_told() -> None:
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads('{"a" "b"}')
    assert json_fault(raised.value)[0].endswith("(character 6)")


def test_a_number_that_python_does_not_convert_is_said_too() -> None:
    with pytest.raises(ValueError, match="digits") as raised:
        json.loads("1" * 5000)
    assert json_fault(raised.value)[1] == "shorten it, or write it in quotes"
