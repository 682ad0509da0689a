"""Ranks share the rows of a step out without loss, and fixed shapes are fixed."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.data.batch import IGNORE_INDEX
from trainer_core.engine.data.pack import plan_rows
from trainer_core.engine.data.sample import EpochOrder
from trainer_core.engine.feed import RowFeed, StepFeed

CPU = torch.device("cpu")


@pytest.fixture
def documents(make_documents):
    return make_documents([9, 4, 16, 7, 7, 12, 3, 5, 16, 10, 2])


def feed_of(documents, **changes):
    rows = plan_rows(documents.lengths, 16)
    settings = {"sequence_length": 16, "micro_batch_size": 2, "device": CPU, **changes}
    return RowFeed(documents, rows, **settings)


def counted(micro_batches):
    return sum(int((m.batch.labels != IGNORE_INDEX).sum()) for m in micro_batches)


def streams(micro_batches):
    return [tuple(m.batch.input_ids[0].tolist()) for m in micro_batches]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_every_document_is_trained_on_once_by_equally_busy_ranks(documents, world_size):
    everything = range(len(feed_of(documents).rows))
    shares = [
        list(feed_of(documents, rank=rank, world_size=world_size).share(everything))
        for rank in range(world_size)
    ]
    assert len({len(share) for share in shares}) == 1
    total = sum(counted(share) for share in shares)
    assert total == documents.counted_count
    tokens = sum(m.batch.tokens for share in shares for m in share)
    assert tokens == documents.token_count


def test_a_rank_without_rows_counts_nothing(documents):
    idle = list(feed_of(documents, rank=1, world_size=2).share([0]))
    assert len(idle) == 1
    assert counted(idle) == 0


def test_fixed_shapes_are_the_same_for_every_micro_batch(documents):
    feed = feed_of(documents, fixed_shapes=True, micro_batch_size=4)
    batches = list(feed.share(range(len(feed.rows))))
    assert {tuple(m.batch.input_ids.shape) for m in batches} == {(1, 64)}
    assert len({tuple(m.cumulative_lengths.shape) for m in batches}) == 1
    assert {m.longest for m in batches} == {16}
    assert sum(m.batch.tokens for m in batches) == documents.token_count
    for micro_batch in batches:
        ends = micro_batch.cumulative_lengths
        assert int(ends[-1]) == 64
        assert bool((ends.diff() >= 0).all())


def test_work_is_counted_over_all_ranks(documents):
    feed = feed_of(documents, rank=1, world_size=2)
    work = feed.work_of(range(len(feed.rows)))
    assert work.tokens == documents.token_count == work.padded_tokens
    assert work.counted_tokens == documents.counted_count
    lengths = documents.lengths
    assert work.attended_length == pytest.approx(float((lengths**2).sum() / lengths.sum()))
    padded = feed_of(documents, fixed_shapes=True).work_of([0, 1])
    assert padded.padded_tokens == 32


def test_steps_are_the_same_whatever_was_asked_before(documents):
    straight = StepFeed(feed_of(documents), seed=5, global_batch_size=4)
    jumping = StepFeed(feed_of(documents), seed=5, global_batch_size=4)
    in_order = [straight.take(step)[0] for step in range(1, 6)]
    late = [jumping.take(step)[0] for step in (4, 5)]
    for one, other in zip(in_order[3:], late, strict=True):
        assert streams(one.micro_batches) == streams(other.micro_batches)
        assert one.work == other.work
    assert straight.epoch_after(3) == pytest.approx(12 / len(straight.feed.rows))
    straight.close()
    jumping.close()


def test_the_first_step_begins_the_first_epoch(documents):
    feed = StepFeed(feed_of(documents), seed=5, global_batch_size=2)
    rows = EpochOrder(len(feed.feed.rows), 5).order(0)[:2]
    expected = streams(feed.feed.share(rows.tolist()))
    assert streams(feed.take(1, last=True)[0].micro_batches) == expected
    feed.close()


def test_another_seed_is_another_order(documents):
    orders = []
    for seed in (0, 1):
        feed = StepFeed(feed_of(documents), seed=seed, global_batch_size=6)
        orders.append(streams(feed.take(1, last=True)[0].micro_batches))
        feed.close()
    assert orders[0] != orders[1]


def test_a_broken_document_is_heard_of_where_its_step_is_taken(documents, monkeypatch):
    feed = StepFeed(feed_of(documents), seed=0, global_batch_size=2)
    feed.take(1)
    monkeypatch.setattr(feed, "_make", None)
    feed.take(2)
    with pytest.raises(TypeError):
        feed.take(3)
    feed.close()


def test_the_heaviest_micro_batch_is_that_of_the_longest_rows(make_documents):
    documents = make_documents([3, 9, 4, 8, 2, 7])
    feed = RowFeed(
        documents,
        [(0, 2), (1,), (4,), (3, 5)],
        sequence_length=16,
        micro_batch_size=2,
        device=torch.device("cpu"),
    )
    assert feed.heaviest().batch.document_lengths == (8, 7, 9)
