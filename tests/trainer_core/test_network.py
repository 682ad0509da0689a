from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from trainer_core import network


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nothing is set."""
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("was probed")

    monkeypatch.setattr(network.threading, "Thread", fail)


def test_a_hub_answers_as_long_as_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert network.hub_answers()
    assert not network.hub_answers()


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def look_up(*_: object) -> None:
        over.wait(60)
        raise OSError

    monkeypatch.setattr(network, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(network.socket, "create_connection", look_up)
    try:
        assert not network.hub_answers()
    finally:
        over.set()


@pytest.mark.usefixtures("unprobed")
def test_behind_a_proxy_the_answer_is_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert network.hub_answers()


@pytest.mark.usefixtures("unprobed")
@pytest.mark.parametrize("word", ["1", "true", "YES", "On"])
def test_what_the_user_switched_off_is_not_probed(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", word)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert network.hub_is_off()
    assert not network.hub_answers()


@pytest.mark.parametrize("word", ["", "0", "false"])
def test_other_words_leave_it_on(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", word)
    assert not network.hub_is_off()


class Models(BaseHTTPRequestHandler):
    """Answers as the hub's API: the path's last word is the status it gives."""

    tokens: list[str | None] = []  # noqa: RUF012 - one list for the one server of a test

    def do_GET(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        self.send_response(int(self.path.rsplit("/", 1)[1]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Models]]:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    server = HTTPServer(("127.0.0.1", 0), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    Models.tokens.clear()
    yield Models
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "known"),
    [("200", True), ("404", False), ("401", False), ("403", None), ("500", None)],
)
@pytest.mark.usefixtures("models")
def test_a_name_the_hub_does_not_have_is_known_to_be_wrong(status: str, known: bool | None) -> None:
    assert network.hub_knows_model(f"someone/{status}") is known


def test_with_a_token_unauthorised_is_no_answer(models: type[Models], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_secret\n")
    assert network.hub_knows_model("someone/401") is None
    assert models.tokens == ["Bearer hf_secret"]


def test_a_hub_that_is_gone_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert network.hub_knows_model("someone/model") is None
