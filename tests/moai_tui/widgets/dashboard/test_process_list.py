from __future__ import annotations

from dataclasses import replace

import pytest

from moai_tui.widgets.dashboard.process_list import ProcessList, whose_piece
from tests.moai_tui.widget_app import WidgetApp
from trainer_core.accelerators.base import DeviceProcess


@pytest.mark.parametrize(
    ("process", "whose"),
    [
        (DeviceProcess(pid=1, user="me", run_id="r1"), "run first"),
        (DeviceProcess(pid=1, user="me"), "yours, no run"),
        (DeviceProcess(pid=1, user="me", run_id="gone"), "yours, no run"),
        (DeviceProcess(pid=1, user="bob", run_id="r9"), "a run of theirs"),
        (DeviceProcess(pid=1, user="bob"), "somebody else's"),
        (DeviceProcess(pid=1), "–"),
    ],
)
def test_whose_a_process_is_is_said_in_words(process, whose):
    assert whose_piece(process, {"r1": "first"}, "me")[0] == whose


async def test_processes_and_hidden_ones_are_listed(facts, frozen_clock):
    """User, memory, command and age of each; what a container hides is said; text is literal."""
    one, two = facts.cards(2)
    process = DeviceProcess(
        pid=77,
        user="bob",
        memory_used_bytes=3 * 2**30,
        command="train \x1b[31m[b]x[/b]",
        started_at=frozen_clock - 7200,
    )
    app = WidgetApp(ProcessList())
    async with app.run_test(size=(120, 10)) as pilot:
        await pilot.pause()
        devices = [replace(one, processes=(process,)), replace(two, processes_hidden=True)]
        app.widget.show_processes(devices, {}, "me")
        await pilot.pause()
        head, first, hidden = app.widget.plain.splitlines()
        assert head.split() == ["Device", "PID", "User", "Memory", "Age", "Whose", "Command"]
        assert first.split()[:6] == ["0", "77", "bob", "3.00", "GiB", "2h"]
        assert "[b]x[/b]" in first
        assert "\x1b" not in first
        assert "outside this container" in hidden
        assert app.widget.process_under_cursor == process
        app.widget.show_processes([one], {}, "me")
        assert app.widget.plain == "No process holds a device."
