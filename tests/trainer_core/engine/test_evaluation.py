"""Held-out loss: the mean over counted tokens, whatever the batches."""

from __future__ import annotations

import math

import pytest
import torch

from trainer_core.engine.data.pack import plan_rows
from trainer_core.engine.evaluation import evaluate
from trainer_core.engine.feed import RowFeed
from trainer_core.engine.objective import Objective
from trainer_core.engine.precision import choose_numerics

CPU = torch.device("cpu")


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_it_is_the_mean_over_counted_tokens(rows_at_once, make_model, make_documents):
    documents = make_documents([9, 4, 16, 7, 12, 3])
    model = make_model("gpt2")
    objective = Objective(model, choose_numerics("fp32", CPU), packed=True).train()
    feed = RowFeed(
        documents,
        plan_rows(documents.lengths, 16),
        sequence_length=16,
        micro_batch_size=2,
        device=CPU,
    )
    told = []
    event = evaluate(
        objective,
        feed,
        step=7,
        rows_at_once=rows_at_once,
        progress=lambda done, total: told.append((done, total)),
    )
    total = 0.0
    for number in range(len(documents)):
        document = documents.document(number)
        ids = torch.from_numpy(document.tokens.astype("int64"))
        with torch.no_grad():
            scores = torch.log_softmax(model(ids[None]).logits[0, :-1], dim=-1)
        chosen = -scores.gather(1, ids[1:, None])[:, 0]
        total += float(chosen[torch.from_numpy(document.counted[1:]).bool()].sum())
    assert event.eval_loss == pytest.approx(total / documents.counted_count, rel=1e-5)
    assert event.eval_tokens == documents.counted_count
    bits = total / math.log(2) / (3 * documents.counted_count)
    assert event.bits_per_byte == pytest.approx(bits, rel=1e-5)
    assert event.step == 7
    assert told[-1] == (len(feed.rows), len(feed.rows))
    assert objective.training
    assert all(p.grad is None for p in model.parameters())


def test_it_is_left_between_two_rounds_when_somebody_wants_the_end(make_model, make_documents):
    documents = make_documents([9, 4, 16, 7, 12, 3])
    objective = Objective(make_model("gpt2"), choose_numerics("fp32", CPU), packed=True).train()
    rows = plan_rows(documents.lengths, 16)
    feed = RowFeed(documents, rows, sequence_length=16, micro_batch_size=1, device=CPU)
    told = []
    event = evaluate(
        objective,
        feed,
        step=7,
        rows_at_once=1,
        progress=lambda done, _: told.append(done),
        interrupted=lambda: len(told) == 2,
    )
    assert event is None
    assert told == [1, 2]
    assert objective.training
