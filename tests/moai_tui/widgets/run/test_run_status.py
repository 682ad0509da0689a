"""Three lines that say where a run stands."""

from __future__ import annotations

import pytest

from moai_tui.messages import RunUpdated
from moai_tui.widgets.glyphs import ASCII, UNICODE, Glyphs
from moai_tui.widgets.painted import in_ascii
from moai_tui.widgets.run.run_status import RunFacts, RunStatus, progress_bar
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import styles_of, text_of
from trainer_core.run.record.curve import Curve


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    __import__("time").tzset()


def facts_of(update: RunUpdated, now: float, received: float | None = None) -> RunFacts:
    return RunFacts(update.view, update.summary, update.log_lines, now, received or now)


def rows(facts: RunFacts, width: int = 78, signs: Glyphs = UNICODE) -> list[str]:
    widget = RunStatus(signs=signs)
    widget.show(facts)
    lines = widget.build(width, 3)
    return text_of(lines if signs.braille else in_ascii(lines)).split("\n")


def test_a_running_run() -> None:
    story = scripted_run.training(250)
    state, progress, message = rows(facts_of(scripted_run.updated(story), story.now))
    assert state.startswith("● running   tiny · python-stdlib · full · Small.24GB")
    assert state.endswith("elapsed 1m 59s")
    assert progress.startswith("step 250/600 ━━━━")
    assert "42%   done about 12:04, in 2m 32s" in progress
    assert "form asked for" in message


def test_time_goes_on_between_two_updates() -> None:
    story = scripted_run.training(250)
    facts = facts_of(scripted_run.updated(story), story.now + 10, story.now)
    state, progress, _ = rows(facts)
    assert state.endswith("elapsed 2m 09s")
    assert progress.endswith("done about 12:04, in 2m 22s")


def test_an_end_that_is_not_sure_is_a_range() -> None:
    story = scripted_run.training(250)
    view = story.view()
    view.step_seconds = Curve()
    for step in range(2, 251):
        view.step_seconds.append(step, 0.2 if step % 2 else 0.9)
    update = scripted_run.updated(story)
    facts = RunFacts(view, update.summary, (), story.now, story.now)
    assert "42%   done 12:03–12:07, in 2m 32s" in rows(facts)[1]


def test_time_stands_still_when_the_run_does() -> None:
    story = scripted_run.finished()
    update = scripted_run.updated(story, "finished")
    early = rows(facts_of(update, story.now))
    assert rows(facts_of(update, story.now + 9000, story.now)) == early
    assert early[0].startswith("✓ finished")
    assert early[1].endswith("100%")


def test_a_queued_run_says_for_whom_it_waits() -> None:
    story = scripted_run.queued()
    text = rows(facts_of(scripted_run.updated(story, "queued"), story.now))
    assert text[1] == "waits for device 0 (held by bob's run tuesday until about 17:40)"


def test_a_silence_has_a_name() -> None:
    story = scripted_run.downloading()
    text = rows(facts_of(scripted_run.updated(story, "starting"), story.now))
    assert text[1] == "downloading before step 1, for 5.0s"


def test_the_first_step_is_named_too() -> None:
    story = scripted_run.training(0)
    text = rows(facts_of(scripted_run.updated(story), story.now + 7.4))
    assert text[1] == "first step for 7.4s: it warms up"


def test_a_stall_is_said_first() -> None:
    story = scripted_run.warned()
    update = scripted_run.updated(story, stalled=scripted_run.stall())
    text = rows(facts_of(update, story.now))
    assert text[0].startswith("▲ stalled")
    assert text[2] == "rank 0 has not moved for 1m 35s (training)"


def test_a_warning_comes_before_the_promise() -> None:
    story = scripted_run.warned()
    assert rows(facts_of(scripted_run.updated(story), story.now))[2].startswith("! 12 rows")


def test_a_failed_run_says_why() -> None:
    story = scripted_run.failed()
    text = rows(facts_of(scripted_run.updated(story, "failed"), story.now))
    assert "ran out of memory" in text[2]
    assert "done about" not in text[1]


def test_hostile_names_are_shown_literally() -> None:
    story = scripted_run.training(3)
    update = scripted_run.updated(story, model="[red]x\x1b[2J", dataset="a\nb")
    assert "[red]x␛[2J · a␊b" in rows(facts_of(update, story.now))[0]


def test_no_line_is_wider_than_its_room() -> None:
    story = scripted_run.warned()
    facts = facts_of(scripted_run.updated(story), story.now)
    for width in (20, 40, 58, 78, 300):
        assert all(len(row) <= width or row.startswith("step") for row in rows(facts, width))


def test_ascii() -> None:
    story = scripted_run.training(250)
    text = rows(facts_of(scripted_run.updated(story), story.now), signs=ASCII)
    assert text[0].startswith("* running")
    assert "###" in text[1]
    assert all(row.isascii() for row in text)


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "────"), (0.5, "━━──"), (0.62, "━━╸─"), (1, "━━━━"), (7, "━━━━")]
)
def test_a_bar_fills_by_half_cells(fraction: float, text: str) -> None:
    pieces = progress_bar(fraction, 4, UNICODE, "train")
    assert "".join(piece for piece, _ in pieces) == text
    assert styles_of(pieces[1:]) in ({}, {text.lstrip("━╸"): "faint"})


def test_the_count_of_devices_gives_way_to_the_elapsed_time() -> None:
    story = scripted_run.training(250)
    update = scripted_run.updated(story, size="Medium.24GB", devices=("cpu-0", "cpu-1"))
    facts = facts_of(update, story.now)
    assert "Medium.24GB on 2 devices " in rows(facts, 100)[0]
    narrow = rows(facts, 72)[0]
    assert " Medium.24GB  " in narrow
    assert narrow.endswith("elapsed 1m 59s")
