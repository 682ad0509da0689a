"""The live screen, driven by keys and facts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from moai_tui.messages import FollowWanted, ResumeRequested, StopRequested
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.run import RunScreen
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run.device_panel import DevicePanel
from moai_tui.widgets.run.log_tail import LogTail
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run.phase_list import PhaseList
from moai_tui.widgets.run.run_result import RunResult
from moai_tui.widgets.run.run_status import RunStatus
from moai_tui.widgets.run.sample_compare import SampleCompare
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.view import RunView


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    time.tzset()


def app_at(scripted_app: type[ScriptedApp], now: float) -> ScriptedApp:
    return scripted_app(lambda: RunScreen(scripted_run.RUN_ID, clock=lambda: now))


async def test_it_follows_its_run_and_shows_it_whole(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(250)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.heard_of(FollowWanted)[-1] == FollowWanted(scripted_run.RUN_ID)
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        screen = app.screen
        assert "step 250/600" in screen.query_one(RunStatus).plain
        assert "smoothed" in screen.query_one(LossChart).plain
        assert screen.query_one(KeyLine).plain.startswith("q leave, the run goes on")


async def test_facts_of_another_run_are_not_shown(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(10)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        update = scripted_run.updated(story)
        update.run_id = "another"
        app.post_message(update)
        await pilot.pause()
        assert "reading the run" in app.screen.query_one(RunStatus).plain


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48), (40, 12), (10, 3)])
async def test_every_panel_opens_at_every_size(
    scripted_app: type[ScriptedApp], size: tuple[int, int]
) -> None:
    story = scripted_run.finished()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=size) as pilot:
        app.post_message(scripted_run.updated(story, "finished"))
        await pilot.pause()
        for key in ("1", "2", "3", "4", "tab", "shift+tab", "l", "left", "down", "up", "pagedown",
                    "g", "G", "right_square_bracket"):  # fmt: skip
            await pilot.press(key)
        assert app.return_code is None


async def test_small_screens_reach_chart_phases_log_and_samples(
    scripted_app: type[ScriptedApp],
) -> None:
    story = scripted_run.warned()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        screen = app.screen
        for key, widget, words in (
            ("1", screen.query_one(LossChart), "┤"),
            ("2", screen.query_one("#phases", PhaseList), "tokenizing"),
            ("3", screen.query_one(LogTail), "rank 0: probing"),
            ("4", screen.query_one(SampleCompare), "before training"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert widget.region.area > 0
            assert words in widget.plain


async def test_stop_asks_first(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(10)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        await pilot.press("s")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("n")
        await pilot.pause()
        assert app.heard_of(StopRequested) == []
        await pilot.press("s", "y")
        await pilot.pause()
        assert app.heard_of(StopRequested) == [StopRequested(scripted_run.RUN_ID)]


async def test_a_run_that_ended_is_not_stopped_but_resumed(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.failed()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story, "failed"))
        await pilot.pause()
        await pilot.press("s")
        assert isinstance(app.screen, RunScreen)
        await pilot.press("R")
        await pilot.pause()
        assert app.heard_of(ResumeRequested) == [ResumeRequested(scripted_run.RUN_ID)]


async def test_a_live_run_is_not_resumed(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(10)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        await pilot.press("R")
        await pilot.pause()
        assert app.heard_of(ResumeRequested) == []


async def test_leaving_never_stops_the_run(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(10)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, RunScreen)
        assert app.heard_of(StopRequested) == []


async def test_at_the_end_the_result_opens_by_itself(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.finished()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.training(599)))
        await pilot.pause()
        assert app.screen.query_one(LossChart).region.area > 0
        app.post_message(scripted_run.updated(story, "finished"))
        await pilot.pause()
        assert "7.4800 → 1.9659" in app.screen.query_one(RunResult).plain
        assert "after step 600" in app.screen.query_one(SampleCompare).plain


async def test_a_panel_the_user_chose_stays_open_at_the_end(
    scripted_app: type[ScriptedApp],
) -> None:
    story = scripted_run.finished()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.training(599)))
        await pilot.pause()
        await pilot.press("3")
        app.post_message(scripted_run.updated(story, "finished"))
        await pilot.pause()
        assert app.screen.query_one(LogTail).region.area > 0
        assert app.screen.query_one(RunResult).region.area == 0


async def test_what_one_would_retype_is_copied(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.finished()
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story, "finished"))
        await pilot.pause()
        await pilot.press("y", "down", "y", "down", "y", "3", "y", "1", "y")
        await pilot.pause()
        folder = f"/home/ada/runs/{scripted_run.RUN_ID}"
        assert app.copied == [
            f"{folder}/model",
            "moai-tui generate quiet-moai --prompt 'Return the sum of a list of numbers.'",
            f"moai-tui train {folder}/config.yaml",
            "\n".join(scripted_run.LOG),
            f"moai-tui attach {scripted_run.RUN_ID}",
        ]


async def test_log_scale_and_cursor(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(250)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        chart = app.screen.query_one(LossChart)
        await pilot.press("l", "left", "shift+left")
        assert "Loss (log)" in chart.plain
        assert chart.cursor_step is not None
        assert f"step {chart.cursor_step}" in chart.plain
        await pilot.press("l", "shift+right", "shift+right")
        assert chart.cursor_step is None
        assert "smoothed" in chart.plain


async def test_devices_beside_the_loss(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(250)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        for reading in scripted_run.readings(3):
            app.post_message(reading)
            await pilot.pause()
        text = app.screen.query_one(DevicePanel).plain
        assert "AMD EPYC 9354" in text
        assert "predicted" in text


async def test_the_clock_moves_what_depends_on_time_and_nothing_else(
    scripted_app: type[ScriptedApp],
) -> None:
    story = scripted_run.downloading()
    moment = [story.now]
    app = scripted_app(lambda: RunScreen(scripted_run.RUN_ID, clock=lambda: moment[0]))
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story, "starting"))
        await pilot.pause()
        moment[0] += 7
        app.clock_signal.publish(moment[0])
        await pilot.pause()
        assert "for 12s" in app.screen.query_one(RunStatus).plain
        assert app.screen.query_one("#opening", PhaseList).plain.split("\n")[2].endswith("12s")


async def test_a_resize_storm_ends_with_the_right_picture(scripted_app: type[ScriptedApp]) -> None:
    story = scripted_run.training(250)
    app = app_at(scripted_app, story.now)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(story))
        await pilot.pause()
        for size in ((160, 48), (20, 5), (110, 31), (300, 100), (80, 24)):
            await pilot.resize_terminal(*size)
        await pilot.pause()
        chart = app.screen.query_one(LossChart)
        assert chart.size.width == 78
        assert len(chart.lines) == chart.size.height
        assert "┤" in chart.plain


def test_a_run_folder_reads_back_as_the_same_run(tmp_path: Path) -> None:
    """The scripted runs are real event files: what the reader folds is what the tests show."""
    story = scripted_run.finished()
    story.write(tmp_path)
    view = RunView()
    for event in EventReader(tmp_path).read_new():
        view.apply(event)
    expected = story.view()
    assert view.state == "finished"
    assert view.loss.buckets == expected.loss.buckets
    assert [seen.samples for seen in view.samples] == [seen.samples for seen in expected.samples]
    assert [phase.seconds for phase in view.phases] == [phase.seconds for phase in expected.phases]
