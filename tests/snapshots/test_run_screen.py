"""Pictures of the run screen. Each says what it must show; look at it before it is accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from moai_tui.messages import RunsToCompareRead
from moai_tui.screens.compare import CompareScreen
from moai_tui.screens.run import RunScreen
from moai_tui.screens.run_dialogs import Words, WordsDialog
from moai_tui.settings import Settings
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp
from tests.moai_tui.widgets.run.test_compare_table import two_runs

pytestmark = pytest.mark.snapshot

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same home, time zone and terminal everywhere."""
    for name in ("MOAI_TUI_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name, value in (("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


def take(
    compare: Compare,
    story: scripted_run.Story,
    state: str,
    size: tuple[int, int],
    *,
    keys: tuple[str, ...] = (),
    theme: str = "moai-dark",
    cards: int = 0,
    **changes: Any,
) -> bool:
    """Show a story, press keys, compare with the stored picture."""
    app = ScriptedApp(
        lambda: RunScreen(scripted_run.RUN_ID, clock=lambda: story.now),
        settings=Settings(theme=theme),
    )

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        app.post_message(scripted_run.updated(story, state, **changes))
        await pilot.pause()
        for reading in scripted_run.readings(5, cards):
            app.post_message(reading)
            await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("theme", ["moai-dark", "moai-light"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)], ids=["80", "120", "160"])
def test_running(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    """A falling curve with its smoothed line, eval points and marks; numbers, device, a warning."""
    assert take(snap_compare, scripted_run.warned(), "running", size, theme=theme)


def test_running_on_eight_cards(snap_compare: Compare) -> None:
    """One line a card; nothing is cut."""
    assert take(snap_compare, scripted_run.warned(), "running", (160, 48), cards=8)


@pytest.mark.parametrize("theme", ["mono", "high-contrast"])
def test_running_in_other_themes(snap_compare: Compare, theme: str) -> None:
    """Raw, smoothed and eval are told apart without a colour."""
    assert take(snap_compare, scripted_run.warned(), "running", (80, 24), theme=theme)


def test_running_without_unicode(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ASCII: dots, stars and `o`."""
    monkeypatch.setenv("LC_ALL", "C")
    assert take(snap_compare, scripted_run.warned(), "running", (80, 24))


def test_log_scale_with_the_value_cursor(snap_compare: Compare) -> None:
    """Labels are not evenly spaced; the heading reads step, train, smoothed and eval."""
    keys = ("l", "left", "shift+left", "shift+left")
    assert take(snap_compare, scripted_run.warned(), "running", (120, 40), keys=keys)


@pytest.mark.parametrize("key", ["2", "3", "4"])
def test_other_panels_on_a_small_screen(snap_compare: Compare, key: str) -> None:
    """Phases with times and notices; the log; the samples before training."""
    assert take(snap_compare, scripted_run.warned(), "running", (80, 24), keys=(key,))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80", "120"])
def test_downloading(snap_compare: Compare, size: tuple[int, int]) -> None:
    """The phases stand in the chart's place: bytes, rate and time left of the download."""
    assert take(snap_compare, scripted_run.downloading(), "starting", size)


def test_queued(snap_compare: Compare) -> None:
    """For whom the run waits."""
    assert take(snap_compare, scripted_run.queued(), "queued", (80, 24))


def test_stalled(snap_compare: Compare) -> None:
    """The stall is said in the state and in words."""
    story = scripted_run.training(200)
    assert take(snap_compare, story, "running", (80, 24), stalled=scripted_run.stall())


@pytest.mark.parametrize("theme", ["moai-dark", "moai-light"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)], ids=["80", "120", "160"])
def test_finished(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    """Eval loss from start to end, where the model lies, what to type, samples side by side."""
    assert take(snap_compare, scripted_run.finished(), "finished", size, theme=theme)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80", "120"])
def test_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    """The cause in words, what to do, the log's last lines, the command to go on."""
    assert take(snap_compare, scripted_run.failed(), "failed", size)


def test_lost(snap_compare: Compare) -> None:
    """What is known of a run that nobody runs any more, and how it goes on."""
    story = scripted_run.training(200)
    reason = "the supervisor was killed"
    assert take(snap_compare, story, "lost", (80, 24), exit_reason=reason)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80", "160"])
def test_where_the_time_goes(snap_compare: Compare, size: tuple[int, int]) -> None:
    """Shares with bars, then steps, evaluations and saves to come with their times."""
    assert take(snap_compare, scripted_run.warned(), "running", size, keys=("5",))


def test_everything_can_be_copied(snap_compare: Compare) -> None:
    """A digit before each thing; long commands are cut, the box fits the screen."""
    assert take(snap_compare, scripted_run.finished(), "finished", (80, 24), keys=("Y",))


def test_a_number_is_asked_for(snap_compare: Compare) -> None:
    """The question, when it ends now, an empty field with an example, the two keys."""
    assert take(snap_compare, scripted_run.warned(), "running", (80, 24), keys=("E",))


@pytest.mark.parametrize("theme", ["moai-dark", "mono"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80", "120"])
def test_runs_compared(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    """Two curves told apart by letter and dash; results, the speed-up, what differs."""
    runs = two_runs()
    app = ScriptedApp(lambda: CompareScreen(("a", "b")), settings=Settings(theme=theme))

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        app.post_message(RunsToCompareRead(runs, ("a", "b")))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_words_of_a_run(snap_compare: Compare) -> None:
    """Name, tags and notes in three fields that stand out from the box."""
    app = ScriptedApp(lambda: WordsDialog("quiet-moai", Words("quiet-moai", "warm", "Twice it.")))
    assert snap_compare(app, terminal_size=(80, 24))
