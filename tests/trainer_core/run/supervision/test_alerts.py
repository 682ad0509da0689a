from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.run.record.summary import RunSummary
from trainer_core.run.supervision import alerts
from trainer_core.run.supervision.alerts import Alerts, end_text, read_alerts, tell_end

SECRET = "tell-nobody"


def summary(**fields: object) -> RunSummary:
    known: dict[str, object] = {
        "id": "20261124-120000-abc123", "name": "quiet-moai", "path": "/runs/x",
        "state": "finished", "exit_code": 0, "step": 600, "eval_loss": 2.1032,
    }  # fmt: skip
    return RunSummary(**(known | fields))  # type: ignore[arg-type]


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A webhook on loopback, and what it was told; its path `/refuse` answers 403."""
    told: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append(json.loads(body))
            self.send_response(403 if "refuse" in self.path else 200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_settings_file_says_what_happens(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert read_alerts(path) == Alerts()
    path.write_text("alerts:\n  webhook: https://hooks.example/x\n  command: poweroff\n")
    assert read_alerts(path) == Alerts(webhook="https://hooks.example/x", command="poweroff")
    path.write_text("alerts.command: poweroff\n")
    assert read_alerts(path) == Alerts(command="poweroff")
    path.write_text(f"alerts:\n  webhook: file:///{SECRET}\n")
    with pytest.raises(UserError, match="https://") as refused:
        read_alerts(path)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(Alerts(webhook=SECRET, command=SECRET))


def test_a_webhook_gets_one_line_and_the_numbers(
    hook: tuple[str, list[dict[str, object]]], capfd: pytest.CaptureFixture[str]
) -> None:
    address, told = hook
    tell_end(summary(), Alerts(webhook=f"{address}/{SECRET}"))
    assert told[0]["text"] == "quiet-moai finished at step 600, eval loss 2.1032"
    assert (told[0]["state"], told[0]["step"]) == ("finished", 600)
    tell_end(summary(), Alerts(webhook=f"{address}/refuse/{SECRET}"))
    tell_end(summary(), Alerts(webhook=f"http://127.0.0.1:1/{SECRET}"))
    words = capfd.readouterr().err
    assert "the webhook answered 403" in words
    assert "could not be called (URLError)" in words
    assert SECRET not in words


def test_the_command_knows_the_run_and_is_no_argument(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = (
        f': {SECRET}; (echo "$MOAI_TUI_RUN_STATE $MOAI_TUI_RUN_NAME"; '
        f"tr '\\0' ' ' < /proc/$$/cmdline) > {out}; exit 3"
    )
    tell_end(summary(), Alerts(command=command))
    state, arguments = out.read_text().split("\n", 1)
    assert state == "finished quiet-moai"
    assert arguments.startswith("/bin/sh -c")
    assert SECRET not in arguments
    assert "exit code 3" in capfd.readouterr().err


def test_a_command_that_lasts_goes_on_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "COMMAND_SECONDS", 0.0)
    gate, out = tmp_path / "gate", tmp_path / "out"
    command = f"while ! [ -e {gate} ]; do sleep 0.05; done; echo on > {out}"
    tell_end(summary(), Alerts(command=command))
    assert not out.exists()
    gate.touch()
    for _ in range(600):
        if out.exists() and out.read_text():
            return
        threading.Event().wait(0.05)
    pytest.fail("the command was ended with us")


def test_a_broken_settings_file_is_said_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "moai-tui").mkdir()
    (tmp_path / "moai-tui" / "config.yaml").write_text("alerts: [")
    tell_end(summary())
    assert "config.yaml" in capfd.readouterr().err


def test_a_failure_says_its_reason() -> None:
    text = end_text(summary(state="failed", exit_reason="out of memory", eval_loss="nan"))
    assert text == "quiet-moai failed at step 600: out of memory"
