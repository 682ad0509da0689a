"""Every phase has its name and its time."""

from __future__ import annotations

from dataclasses import replace

from moai_tui.messages import RunUpdated
from moai_tui.widgets.glyphs import ASCII, UNICODE, Glyphs
from moai_tui.widgets.painted import in_ascii
from moai_tui.widgets.run.phase_list import PhaseList
from moai_tui.widgets.run.run_status import RunFacts
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import text_of
from trainer_core.run.record.events import Notice, Phase


def rows(update: RunUpdated, now: float, *, width: int = 78, signs: Glyphs = UNICODE,
         notices: bool = True) -> list[str]:  # fmt: skip
    widget = PhaseList(signs=signs, notices=notices)
    widget.show(RunFacts(update.view, update.summary, update.log_lines, now, now))
    lines = widget.build(width, 30)
    return text_of(lines if signs.braille else in_ascii(lines)).split("\n")


def test_finished_phases_have_their_seconds() -> None:
    story = scripted_run.training(5)
    text = rows(scripted_run.updated(story), story.now)
    assert text[0].endswith("step 1 after 11s")
    assert [row.split()[1] for row in text[1:7]] == [
        "checking", "tokenizing", "loading", "probing", "evaluating", "sampling",
    ]  # fmt: skip
    assert text[2].startswith("✓ tokenizing      4,210 rows")
    assert text[2].endswith("1.9s")
    assert text[3].endswith("2.8s")


def test_a_download_says_bytes_rate_and_time_left() -> None:
    story = scripted_run.downloading()
    text = rows(scripted_run.updated(story, "starting"), story.now)
    assert text[2].startswith("● downloading")
    for part in ("83.9 MiB of 257 MiB", "16.8 MiB/s", "10s left", "5.0s"):
        assert part in text[2]


def test_a_wide_list_draws_a_bar() -> None:
    story = scripted_run.downloading()
    text = rows(scripted_run.updated(story, "starting"), story.now, width=120)
    assert "━━━━━━━━──────" in text[2]


def test_rows_are_counted_live() -> None:
    story = scripted_run.opening(phases=1)
    story.say(Phase(name="tokenizing", done=1000, total=4000, unit="rows"), 0.1)
    story.now += 2.0
    text = rows(scripted_run.updated(story, "starting"), story.now)
    assert "1,000 of 4,000 rows" in text[2]
    assert "6.0s left" in text[2]


def test_what_a_run_does_in_mid_training_is_the_last_line() -> None:
    story = scripted_run.training(60)
    story.say(Phase(name="saving"), 0.1)
    text = rows(scripted_run.updated(story), story.now + 1.2)
    assert text[7].startswith("● saving")
    assert text[7].endswith("1.2s")


def test_the_first_step_is_a_phase_until_it_is_done() -> None:
    story = scripted_run.opening()
    story.say(Phase(name="training", total=600, unit="steps"), 0.1)
    text = rows(scripted_run.updated(story), story.now + 7.4)
    assert text[7].startswith("● first step")
    assert text[7].endswith("7.4s")
    assert "first step" not in "\n".join(
        rows(scripted_run.updated(scripted_run.training(3)), story.now)
    )


def test_a_phase_in_which_the_run_died_is_marked() -> None:
    story = scripted_run.opening(phases=2)
    story.say(Phase(name="loading"), 0.1)
    text = rows(scripted_run.updated(story, "lost"), story.now)
    assert text[3].startswith("✗ loading")


def test_notices_newest_first_with_what_to_do_and_choices_below() -> None:
    story = scripted_run.warned()
    story.say(Notice(level="info", text="checkpoint of step 240 is on disk"))
    text = "\n".join(rows(scripted_run.updated(story), story.now))
    assert text.index("i checkpoint of step 240") < text.index("! 12 rows were longer")
    assert "cut them instead." in text
    assert text.index("Chosen for you") < text.index("learning rate 1e-3")


def test_notices_can_be_left_out() -> None:
    story = scripted_run.warned()
    assert "Notices" not in "\n".join(rows(scripted_run.updated(story), story.now, notices=False))


def test_foreign_text_is_shown_literally_and_fits() -> None:
    story = scripted_run.opening(phases=0)
    story.say(Phase(name="loading", detail="[b]\x1b]0;x\x07" + "y" * 300))
    story.say(Notice(level="error", text="\x1b[31mred [/] " + "word " * 60))
    text = rows(scripted_run.updated(story, "starting"), story.now)
    assert "[b]␛]0;x␇yyy" in "\n".join(text)
    assert "! ␛[31mred [/]" in "\n".join(text)
    assert max(map(len, text)) <= 78


def test_ascii() -> None:
    story = scripted_run.downloading()
    assert all(row.isascii() for row in
               rows(scripted_run.updated(story, "starting"), story.now, signs=ASCII))  # fmt: skip


def test_a_queued_run_has_room_to_say_for_whom_it_waits() -> None:
    story = scripted_run.queued()
    text = rows(scripted_run.updated(story, "queued"), story.now, width=40)
    assert " ".join(text[1:3]) == "waits for device 0 (held by bob's run tuesday until about 17:40)"
    assert text[3] == "it starts by itself as soon as it can"


def test_what_is_loaded_is_said() -> None:
    story = scripted_run.training(5)
    update = scripted_run.updated(story)
    for phase in update.view.phases:
        phase.detail = None
    update.view.phases.insert(0, replace(update.view.phases[2]))
    text = rows(update, story.now)
    assert text[1].startswith("✓ loading         the libraries")
    assert text[4].startswith("✓ loading         the model")
