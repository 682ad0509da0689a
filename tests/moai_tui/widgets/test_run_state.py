from __future__ import annotations

import pytest

from moai_tui.widgets.lines import STYLES
from moai_tui.widgets.run_state import LIVE, RESUMABLE, SYMBOLS, state_piece, stop_detail
from trainer_core.run.record.summary import Stalled

STATES = "queued starting running pausing paused stopping stopped finished failed lost".split()


def test_every_state_has_a_symbol_a_word_and_a_known_style(facts):
    for state in STATES:
        text, style = state_piece(facts.run(state=state))
        assert text == f"{SYMBOLS[state][0]} {state}"
        assert style in STYLES
    assert set(STATES) >= LIVE | RESUMABLE
    assert "finished" not in LIVE | RESUMABLE


def test_stalled_is_said_beside_running_only(facts):
    stalled = Stalled(rank=1, phase="training", seconds=130.0)
    assert state_piece(facts.run(stalled=stalled))[0] == "▲ stalled"
    assert state_piece(facts.run(state="failed", stalled=stalled))[0] == "✗ failed"


@pytest.mark.parametrize("state", ["exploded", ""])
def test_a_state_of_a_newer_version_is_shown_as_it_is(facts, state):
    assert state_piece(facts.run(state=state)) == (f"· {state}", "muted")


def test_the_question_before_a_stop_promises_only_what_it_does():
    assert "saves a checkpoint" in stop_detail("running")
    assert "saves" not in stop_detail("queued") + stop_detail("starting")
