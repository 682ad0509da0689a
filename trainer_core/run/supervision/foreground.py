"""`python -m trainer_core train`: a run without the dashboard, its events as JSON lines."""

from __future__ import annotations

from trainer_core.json_lines import write_json_line
from trainer_core.run.config.config_file import load_config
from trainer_core.run.overview.follow import Follower, Listener
from trainer_core.run.record.event_log import encode_event
from trainer_core.run.record.events import AnyEvent
from trainer_core.run.supervision.launch import launch


def train_in_foreground(source: str) -> int:
    """Start the run a YAML file or preset describes and own it to its end.

    Returns:
        0 finished or stopped on request, 1 failed or lost, 2 bad input.

    Raises:
        UserError: If the run cannot be started.
    """
    directory = launch(load_config(source))
    listener = Listener(
        event=_write, tick=lambda: None, leaving=lambda: None, stopping=lambda: None
    )
    return Follower(directory, listener, owns=True).follow()


def _write(event: AnyEvent) -> None:
    write_json_line(encode_event(event))
