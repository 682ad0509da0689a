"""Failures of the hub as sentences."""

from __future__ import annotations

import errno
import os
import socket

import datasets
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from trainer_core.engine.data.hub import hub_error, settle_network

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


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's libraries as on a machine that did not ask for offline mode."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)


@pytest.mark.usefixtures("libraries")
def test_a_hub_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert settle_network()
    assert "HF_HUB_OFFLINE" not in os.environ
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


@pytest.mark.usefixtures("libraries")
def test_a_hub_that_does_not_answer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert not settle_network()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert huggingface_hub.constants.HF_HUB_OFFLINE
    assert datasets.config.HF_HUB_OFFLINE
