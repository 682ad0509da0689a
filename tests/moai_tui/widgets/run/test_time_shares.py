"""Where the time goes, and what is still to come."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.run_status import RunFacts
from moai_tui.widgets.run.time_shares import TimeShares, time_shares
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import text_of
from trainer_core.run.record.view import RunView


def rows(view: RunView, width: int = 78, state: str = "running") -> list[str]:
    story = scripted_run.training(250)
    summary = scripted_run.updated(story, state).summary
    widget = TimeShares(signs=UNICODE)
    widget.show(RunFacts(view, summary, (), story.now, story.now))
    return text_of(widget.build(width, 20)).split("\n")


def test_shares_add_up_and_name_what_is_not_measured() -> None:
    view = scripted_run.training(250).view()
    shares = {share.name: share.seconds for share in time_shares(view)}
    assert shares["compute"] + shares["data wait"] == view.steps_seconds  # type: ignore[operator]
    assert shares["saving"] == 0.2 * len(view.checkpoints)
    assert "communication" not in shares, "one rank talks to nobody"
    assert view.started is not None
    many = replace(view, started=msgspec.structs.replace(view.started, world_size=2))
    assert {s.name: s.seconds for s in time_shares(many)}["communication"] is None
    text = rows(many)
    assert any(row.startswith("communication not measured") for row in text)
    measured = replace(many, communication_seconds=10.0)
    assert {s.name: s.seconds for s in time_shares(measured)}["communication"] == 10.0


def test_logged_steps_stand_for_those_between_them() -> None:
    view = scripted_run.training(250).view()
    thinned = replace(view, steps_seen=view.steps_seen // 10)
    own, scaled = time_shares(view)[0].seconds, time_shares(thinned)[0].seconds
    assert own is not None
    assert scaled is not None
    assert 9 < scaled / own < 11


def test_what_is_to_come_is_told_in_its_parts_while_the_run_lives() -> None:
    view = scripted_run.training(250).view()
    text = rows(view)
    assert text[0].startswith("Time ─")
    assert text[1].split()[:2] == ["compute", "98%"]
    at = next(number for number, row in enumerate(text) if row.startswith("Still to come"))
    assert "done about 12:04" in text[at]
    assert text[at + 1].split()[:2] == ["350", "steps"]
    assert text[at + 2].split()[:2] == ["6", "saves"] or "evaluations" in text[at + 2]
    assert not any(row.startswith("Still") for row in rows(view, state="finished"))


def test_before_the_second_step_nothing_is_claimed() -> None:
    assert rows(scripted_run.training(1).view())[1] == "told from step 2 on"


def test_it_fits_narrow_panels() -> None:
    view = scripted_run.training(250).view()
    assert max(len(row) for row in rows(view, width=30)) <= 46
