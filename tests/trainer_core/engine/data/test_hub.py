"""Failures of the hub as sentences."""

from __future__ import annotations

import errno

import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from trainer_core.engine.data.hub import hub_error

OFFLINE = "it is not on this machine and the hub cannot be reached; connect to a network, or wait"


def raised(kind: type[BaseException]) -> BaseException:
    """An error of the hub's library without the response object its constructor wants."""
    return kind.__new__(kind)


def wrapped(inner: BaseException) -> BaseException:
    outer = OSError("could not do it")
    outer.__cause__ = inner
    return outer


CASES = [
    (OfflineModeIsEnabled("off"), OFFLINE),
    (wrapped(raised(LocalEntryNotFoundError)), OFFLINE),
    (wrapped(ConnectionError("no route")), OFFLINE),
    (OSError("We couldn't connect to 'https://huggingface.co' to load the files"), OFFLINE),
    (wrapped(raised(RepositoryNotFoundError)), "there is no such id on the hub, or it is private"),
    (wrapped(raised(GatedRepoError)), "its owner grants access on request; ask there, then set HF"),
    (
        OSError(errno.ENOSPC, "No space left on device"),
        "the disk is full; free space where HF_HOME",
    ),
    (ValueError("\nsomething else\nmore"), "it cannot be loaded: something else; wait"),
]


@pytest.mark.parametrize(("error", "sentence"), CASES)
def test_each_failure_has_its_sentence(error: BaseException, sentence: str) -> None:
    text = str(hub_error("model", "owner/name", error, "wait"))
    assert text.startswith(f"model 'owner/name': {sentence}")
    assert "\n" not in text
