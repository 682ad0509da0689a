"""Who waits, and when it is likely to be served."""

from __future__ import annotations

from moai_tui.widgets.dashboard.waiting_list import waiting_line
from trainer_core.accelerators.waiting_runs import WaitingRun


def text(run: WaitingRun, own: dict[str, str]) -> str:
    return "".join(piece for piece, _ in waiting_line(run, own, 70)).rstrip()


def test_mine_is_told_from_others_and_a_start_from_none(frozen_clock):
    mine = WaitingRun(place=1, run_id="a", user="me", devices=1, expected_start=frozen_clock + 2400)
    other = WaitingRun(place=2, run_id="b", user="bob", devices=4, expected_start=None)
    own = {"a": "my run"}
    assert text(mine, own).split() == "1 you 1 device about 12:40 my run".split()
    assert text(other, own).split() == "2 bob 4 devices – b".split()
    evil = WaitingRun(place=3, run_id="c", user="\x1b[2Jeve", devices=1, expected_start=None)
    assert "\x1b" not in text(evil, own)
