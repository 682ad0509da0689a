from __future__ import annotations

from collections.abc import Callable

from trainer_core.run.overview.summarize import read_cached
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import CheckpointSaved, Restarted, StateChanged, Step
from trainer_core.run.supervision.ledger import Ledger


def test_what_is_told_is_read_back_and_cached(new_run: Callable[..., RunDirectory]) -> None:
    run = new_run()
    ledger = Ledger(run)
    ledger.change("starting")
    ledger.queued("waits for run a of bob")
    events = ledger.follow()
    assert isinstance(events[0], StateChanged)
    cached = read_cached(run)
    assert cached is not None
    assert (cached.state, cached.waits_for) == ("queued", "waits for run a of bob")
    assert (ledger.last_step, ledger.last_checkpoint, ledger.has_stepped) == (None, None, False)
    ledger.close()


def test_another_attempt_goes_on_from_the_newest_checkpoint(
    new_run: Callable[..., RunDirectory],
) -> None:
    run = new_run()
    first = Ledger(run)
    first.change("starting")
    rank = EventWriter(run.events_path, 1)
    rank.write(Step(step=1, epoch=0.0, train_loss=1.0, learning_rate=1.0))
    rank.write(CheckpointSaved(step=1, path="x", bytes=1, seconds=0.1))
    rank.close()
    first.follow()
    assert (first.last_step, first.last_checkpoint, first.has_stepped) == (1, 1, True)
    first.next_attempt()
    first.follow()
    assert (first.attempt, first.has_stepped) == (2, False)
    first.close()
    second = Ledger(run)
    assert second.attempt == 3
    second.catch_up()
    assert second.last_checkpoint == 1
    second.say_restarted()
    (told,) = second.follow()
    assert isinstance(told, Restarted)
    assert told.from_step == 1
    second.close()
