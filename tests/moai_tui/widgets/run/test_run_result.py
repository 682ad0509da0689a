"""What came of a run, and what to type next."""

from __future__ import annotations

import shlex

from moai_tui.messages import RunUpdated
from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.run_result import RunResult, copyables
from moai_tui.widgets.run.run_status import RunFacts
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import WidgetApp, text_of


def facts(update: RunUpdated) -> RunFacts:
    return RunFacts(update.view, update.summary, update.log_lines)


def shown(update: RunUpdated) -> RunResult:
    widget = RunResult(signs=UNICODE)
    widget.show(facts(update))
    return widget


def test_a_finished_run() -> None:
    update = scripted_run.updated(scripted_run.finished(), "finished")
    text = text_of(shown(update).build(80, 9)).split("\n")
    assert text[0].endswith("step 600  after 4m 34s")
    assert text[1].split() == ["eval", "loss", "7.4800", "→", "1.9659", "−74%"]
    assert text[2].split() == ["bits", "per", "byte", "3.937", "→", "1.035", "−74%"]
    assert text[5].startswith("▸ model")
    assert text[5].endswith(f"/home/ada/runs/{scripted_run.RUN_ID}/model")
    assert text[6].split()[:4] == ["try", "it", "moai-tui", "generate"]
    assert text[7].split()[:3] == ["repeat", "moai-tui", "train"]


def test_the_lines_to_copy_stay_when_room_is_short() -> None:
    update = scripted_run.updated(scripted_run.finished(), "finished")
    text = text_of(shown(update).build(80, 5)).split("\n")
    assert len(text) == 5
    assert text[2].startswith("▸ model")


def test_a_run_stopped_before_its_second_eval_claims_no_change() -> None:
    update = scripted_run.updated(scripted_run.training(5), "stopped")
    text = text_of(shown(update).build(80, 9))
    assert "7.4800 before training, not measured since" in text
    assert "→" not in text


def test_a_loss_that_rose_is_no_success() -> None:
    update = scripted_run.updated(scripted_run.finished(), "finished", eval_loss=9.0)
    assert "+20%" in text_of(shown(update).build(80, 9))


def test_unknown_numbers_are_left_out() -> None:
    update = scripted_run.updated(scripted_run.finished(), "finished", eval_loss="nan",
                                  first_bits_per_byte=None)  # fmt: skip
    text = text_of(shown(update).build(80, 9))
    assert "eval loss" not in text
    assert "bits per byte  1.035" in text


def test_a_failed_run_says_why_and_what_to_do() -> None:
    update = scripted_run.updated(scripted_run.failed(), "failed")
    text = text_of(shown(update).build(80, 18)).split("\n")
    assert text[0].startswith("What went wrong")
    assert "ran out of memory" in text[1]
    assert text[2].strip() == "Set micro_batch_size to 16: it needs about half."
    assert any("warning: 12 rows" in row for row in text)
    assert any("moai-tui resume quiet-moai" in row for row in text)
    assert any(row.endswith("/logs/rank-0.log") for row in text)


def test_a_lost_run_is_explained_and_can_go_on() -> None:
    story = scripted_run.training(130)
    update = scripted_run.updated(story, "lost", exit_reason="the host was restarted")
    text = text_of(shown(update).build(80, 18))
    assert "the host was restarted" in text
    assert "R goes on from the checkpoint of step 120." in text


def test_without_a_checkpoint_it_says_so() -> None:
    update = scripted_run.updated(scripted_run.training(5), "lost")
    assert "from step 0" in text_of(shown(update).build(80, 18))


async def test_choosing_stops_at_both_ends() -> None:
    widget = shown(scripted_run.updated(scripted_run.finished(), "finished"))
    async with WidgetApp(widget).run_test(size=(80, 10)):
        widget.choose(-1)
        assert widget.chosen is not None
        assert widget.chosen.name == "model"
        widget.choose(2)
        assert widget.chosen.name == "repeat"
        assert "▸ repeat" in widget.plain
        widget.choose(9)
        assert widget.chosen.name == "repeat"


def test_commands_survive_a_shell() -> None:
    update = scripted_run.updated(scripted_run.finished(), "stopped", name="my run; rm -rf ~",
                                  path="/data/my runs/x")  # fmt: skip
    commands = {item.name: shlex.split(item.text) for item in copyables(facts(update))}
    assert commands["go on (R)"] == ["moai-tui", "resume", "my run; rm -rf ~"]
    assert commands["repeat"] == ["moai-tui", "train", "/data/my runs/x/config.yaml"]


def test_a_hostile_path_is_drawn_literally() -> None:
    update = scripted_run.updated(scripted_run.finished(), "finished", path="/x\x1b[2J")
    assert "/x␛[2J/config.yaml" in text_of(shown(update).build(80, 9))


def test_a_live_run_offers_only_what_exists() -> None:
    names = [item.name for item in copyables(facts(scripted_run.updated(scripted_run.training(5))))]
    assert names == ["repeat"]
