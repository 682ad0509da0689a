"""The terminal rings once when a run that was seen alive ends or stalls."""

from __future__ import annotations

import pytest

from moai_tui.alerts import notification
from moai_tui.messages import RunsListed
from moai_tui.settings import Settings
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp


@pytest.mark.parametrize("wanted", [True, False])
async def test_only_a_change_that_was_seen_rings(
    scripted_app: type[ScriptedApp], monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    rung: list[None] = []
    sent: list[str] = []
    app = scripted_app(settings=Settings(bell=wanted, notification=wanted))
    monkeypatch.setattr(app, "bell", lambda: rung.append(None))
    story = scripted_run.training(20)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", sent.append)
        app.post_message(RunsListed((scripted_run.updated(story, "finished").summary,)))
        await pilot.pause()
        assert rung == [], "it had ended before we came"
        running = scripted_run.updated(story)
        for message in (
            running,
            scripted_run.updated(story, stalled=scripted_run.stall()),
            scripted_run.updated(story, stalled=scripted_run.stall()),
            running,
            RunsListed((scripted_run.updated(story, "failed").summary,)),
            RunsListed((scripted_run.updated(story, "failed").summary,)),
        ):
            app.post_message(message)
            await pilot.pause()
    told = [text for text in sent if "]9;" in text]
    assert len(rung) == (2 if wanted else 0)
    assert ["stalled" in text or "failed" in text for text in told] == [True] * len(rung)


def test_the_request_suits_the_terminal_and_carries_no_escapes_of_a_name() -> None:
    plain = notification("evil\x1b]0;x\x07 finished", {"TERM": "xterm-256color"})
    assert plain.startswith("\x1b]9;moai-tui: evil")
    assert plain.count("\x1b") == plain.count("\x07") == 1
    inside = notification("first finished", {"TERM": "tmux-256color", "TMUX": "/tmp/t"})
    assert inside == "\x1bPtmux;\x1b\x1b]9;moai-tui: first finished\x07\x1b\\"
    assert notification("first finished", {"TERM": "linux"}) == ""
