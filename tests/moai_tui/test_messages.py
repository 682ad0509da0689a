from __future__ import annotations

from moai_tui.messages import AcceleratorsRead, RunsListed, RunUpdated
from trainer_core.run.record.view import RunView


def test_a_newer_fact_replaces_one_that_still_waits(facts):
    summary = facts.run()
    one = RunUpdated("a", RunView(), summary)
    assert one.can_replace(RunUpdated("a", RunView(), summary))
    assert not one.can_replace(RunUpdated("b", RunView(), summary)), "another run's is kept"
    assert RunsListed(()).can_replace(RunsListed(()))
    assert not RunsListed(()).can_replace(AcceleratorsRead(()))
