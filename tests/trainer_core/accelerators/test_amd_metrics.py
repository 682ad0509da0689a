"""Why an AMD card is slowed, from tables as the driver lays them out."""

from __future__ import annotations

import struct

import pytest

from trainer_core.accelerators.amd_metrics import throttle_reasons


def table(causes: int, form: int = 1, content: int = 3, size: int = 120) -> bytes:
    head = struct.pack("<HBB", size, form, content)
    return head + b"\x11" * (112 - len(head)) + struct.pack("<Q", causes)


@pytest.mark.parametrize(
    ("causes", "words"),
    [
        (0, ()),
        (1 << 1, ("power limit",)),
        (1 << 23, ("current limit",)),
        (1 << 34 | 1 << 47, ("hot",)),
        (1 | 1 << 16 | 1 << 32, ("power limit", "current limit", "hot")),
        (1 << 56, ()),
        (2**64 - 1, ()),
    ],
)
def test_groups_of_causes_are_told_in_words(causes: int, words: tuple[str, ...]) -> None:
    assert throttle_reasons(table(causes)) == words


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 400, table(1)[:119], table(1, content=4), table(1, form=2), table(1, size=200)],
)
def test_other_tables_and_halves_of_one_tell_nothing(content: bytes) -> None:
    assert throttle_reasons(content) == ()
