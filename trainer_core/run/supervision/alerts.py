"""What happens when a run has ended: a webhook is called, a command of the user's is run.

Both stand in the user's settings file and are read there, at the end, by the supervisor: they
work without a dashboard. They may hold secrets, so neither is ever an argument of a process, in a
log or on a screen; what goes wrong is said without them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trainer_core.errors import UserError
from trainer_core.folders import config_root
from trainer_core.foreign_text import show_line
from trainer_core.run.processes.identity import RUN_VARIABLE
from trainer_core.run.record.summary import RunSummary

WEBHOOK_SECONDS = 10.0
COMMAND_SECONDS = 10.0
"""How long the command is watched; then it goes on alone."""

_COMMAND_VARIABLE = "MOAI_TUI_END_COMMAND"
_SHELL = f'command=${_COMMAND_VARIABLE}; unset {_COMMAND_VARIABLE}; eval "$command"'
"""The command is no argument: everybody on the machine reads arguments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alerts:
    """What the user wants to happen at the end of a run."""

    webhook: str | None = None
    """An http or https address that gets one POST with a JSON body."""
    command: str | None = None
    """A line for `sh`; `MOAI_TUI_RUN_ID`, `_STATE`, `_NAME` and `_FOLDER` tell it which run."""

    def __repr__(self) -> str:
        """Tell what is set, never its text."""
        return f"Alerts(webhook={self.webhook is not None}, command={self.command is not None})"


def read_alerts(path: Path | None = None) -> Alerts:
    """Read the settings `alerts.webhook` and `alerts.command`.

    Args:
        path: The settings file; None is the user's own. A missing one wants nothing.

    Raises:
        UserError: If the file is no YAML or holds something else there.
    """
    from trainer_core.yaml_text import read_yaml_file

    path = config_root() / "config.yaml" if path is None else path
    content = read_yaml_file(path) if path.exists() else None
    section = content.get("alerts") if isinstance(content, dict) else None
    section = section if isinstance(section, dict) else {}
    found: dict[str, str | None] = {}
    for name in ("webhook", "command"):
        # A dotted key is the same setting.
        value = section.get(name, content.get(f"alerts.{name}") if content else None)
        if value is not None and not isinstance(value, str):
            raise UserError(f"{path}: alerts.{name} cannot be used; write it as one text")
        found[name] = value
    webhook = found["webhook"]
    if webhook is not None and urlsplit(webhook).scheme not in ("http", "https"):
        raise UserError(f"{path}: alerts.webhook cannot be used; begin it with https://")
    return Alerts(webhook=webhook, command=found["command"])


def tell_end(summary: RunSummary, alerts: Alerts | None = None) -> None:
    """Do what the user wants at the end of a run; never raises and ends within 20 seconds.

    Args:
        summary: The run as it ended.
        alerts: None is what the settings say now.
    """
    try:
        alerts = read_alerts() if alerts is None else alerts
    except (UserError, OSError) as error:
        _complain(str(error))
        return
    if alerts.webhook is not None:
        _call(alerts.webhook, summary)
    if alerts.command is not None:
        _run(alerts.command, summary)


def end_text(summary: RunSummary) -> str:
    """Say in one line how a run ended: `quiet-moai finished at step 600, eval loss 2.1032`."""
    text = f"{show_line(summary.name or summary.id, 120)} {summary.state}"
    if summary.host:
        text += f" on {show_line(summary.host, 60)}"
    if summary.step is not None:
        text += f" at step {summary.step:,}"
    if isinstance(summary.eval_loss, float):
        text += f", eval loss {summary.eval_loss:.4f}"
    if summary.exit_reason and summary.state in ("failed", "lost"):
        text += f": {show_line(summary.exit_reason, 300)}"
    return text


def _call(webhook: str, summary: RunSummary) -> None:
    text = end_text(summary)
    body = {
        "text": text,  # what Slack and Mattermost show
        "content": text,  # what Discord shows
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "exit_code": summary.exit_code,
        "step": summary.step,
        "total_steps": summary.total_steps,
        "train_loss": summary.train_loss,
        "eval_loss": summary.eval_loss,
        "elapsed_seconds": summary.elapsed_seconds,
    }
    headers = {"Content-Type": "application/json", "User-Agent": "moai-tui"}
    try:
        request = urllib.request.Request(  # noqa: S310 - http and https alone, see read_alerts
            webhook, json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        _complain(f"the webhook answered {error.code}")
    except Exception as error:  # whatever the address does, the run has ended well
        _complain(f"the webhook could not be called ({type(error).__name__})")


def _run(command: str, summary: RunSummary) -> None:
    environment = {name: text for name, text in os.environ.items() if name != RUN_VARIABLE}
    environment |= {
        _COMMAND_VARIABLE: command,
        "MOAI_TUI_RUN_ID": summary.id,
        "MOAI_TUI_RUN_NAME": summary.name or "",
        "MOAI_TUI_RUN_STATE": summary.state,
        "MOAI_TUI_RUN_FOLDER": summary.path,
    }
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it could say its secret
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        code = process.wait(COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return
    except (OSError, ValueError) as error:
        _complain(f"the command could not be started ({type(error).__name__})")
        return
    if code:
        _complain(f"the command ended with exit code {code}")


def _complain(text: str) -> None:
    sys.stderr.write(f"alert: {text}\n")
    sys.stderr.flush()
