from __future__ import annotations

from typing import Any

import pytest

from moai_tui.commands.whole_number import whole_number
from trainer_core.errors import ConfigError


@pytest.mark.parametrize("typed", ["x", "", "1.5", "-1", "--2", "٣", "1" * 30, "\x1b[31m"])
def test_what_is_no_whole_number_is_refused(typed: str) -> None:
    with pytest.raises(ConfigError, match="write a whole number, 0 or more"):
        whole_number("--rank")(typed)


def test_numbers_from_the_least_on_are_taken() -> None:
    assert whole_number("--rank")("0") == 0
    assert whole_number("--new-tokens", 1)(256) == 256
    with pytest.raises(ConfigError):
        whole_number("--new-tokens", 1)("0")


@pytest.mark.parametrize(
    "words", [("logs", "a", "--rank", "x"), ("generate", "a", "--new-tokens", "x")]
)
def test_a_command_says_it_in_one_sentence(moai: Any, words: tuple[str, ...]) -> None:
    assert moai(*words) == 2
    assert moai.err.startswith(f"{words[2]}: 'x' cannot be used; write a whole number, ")
    assert len(moai.err.splitlines()) == 1
