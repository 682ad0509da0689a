"""Memory that runs out in a step makes micro-batches smaller, and shows in no loss."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from trainer_core.engine import evaluation, rank, shortage
from trainer_core.engine.failure import TrainingFailed
from trainer_core.engine.passes import Passes
from trainer_core.engine.shortage import NOTE, Shortage, with_smaller_plan
from trainer_core.run.config.run_config import RunConfig


def short_at(monkeypatch, step: int, times: int) -> None:
    """Let memory run out in the middle of a step, so many times."""
    inner, left = Passes.forward_backward, [times]

    def short(self, micro_batches, counted_tokens, beat):
        loss = inner(self, micro_batches, counted_tokens, beat)
        if shortage_step(self) == step and left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    def shortage_step(self):
        state = self._parts.optimizer.state
        return 1 + max((int(one["step"]) for one in state.values()), default=0)

    monkeypatch.setattr(Passes, "forward_backward", short)


def test_the_step_is_taken_again_in_smaller_micro_batches(make_run, read_events, monkeypatch):
    curves = []
    for name in ("enough", "short"):
        if name == "short":
            short_at(monkeypatch, 3, times=2)
        folder = make_run(name, sample={"count": 0})
        assert rank.main(folder) == 0
        curves.append([event["train_loss"] for event in read_events(folder, "step")])
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    said = [e["text"] for e in read_events(folder, "notice") if "Memory" in e["text"]]
    assert ["of 2" in said[0], "of 1" in said[1], len(said)] == [True, True, 2]
    assert not (folder / NOTE).exists()


def test_where_nothing_is_smaller_the_run_ends_and_says_what_to_change(
    make_run, read_events, monkeypatch
):
    short_at(monkeypatch, 2, times=9)
    folder = make_run(sample={"count": 0})
    assert rank.main(folder) == 1
    (ended,) = read_events(folder, "training_ended")
    assert "ran out of memory in training" in ended["error"]


@pytest.mark.parametrize(
    ("stepper", "again", "expected"),
    [
        (None, "none", {"micro_batch_size": 2}),
        (True, "none", {"recomputation": "blocks"}),
        (True, "blocks", {"micro_batch_size": 2, "in_backward": "no"}),
    ],
)
def test_the_next_attempt_reads_the_smaller_plan(stepper, again, expected, tmp_path):
    """Several ranks, or weights that were stepped already: the last checkpoint is gone on from."""
    settled = SimpleNamespace(config=RunConfig(), micro_batch_size=4, recomputation=again)
    world = SimpleNamespace(size=1 if stepper else 2)
    parts = SimpleNamespace(settled=settled, world=world, stepper=stepper)
    with pytest.raises(TrainingFailed, match="memory ran out in step 7") as raised:
        Shortage(parts, tmp_path).make_smaller(torch.OutOfMemoryError("full"), 7)
    assert not raised.value.fix  # so that the supervisor tries again
    config, said = with_smaller_plan(RunConfig(), tmp_path)
    found = {
        "micro_batch_size": config.micro_batch_size,
        "recomputation": config.parallel.recomputation,
        "in_backward": config.optimizer.in_backward,
    }
    assert found | expected == found
    assert "from its last checkpoint" in said
    assert with_smaller_plan(RunConfig(), tmp_path / "other") == (RunConfig(), "")


def test_another_error_is_raised_as_it_is(tmp_path):
    parts = SimpleNamespace()
    with pytest.raises(RuntimeError, match="shape"):
        Shortage(parts, tmp_path).make_smaller(RuntimeError("shape"), 1)
    assert shortage.NOTE not in {path.name for path in tmp_path.iterdir()}


def test_an_evaluation_halves_its_own_micro_batches(make_run, read_events, monkeypatch):
    """Training's stay: its event of the plan and its steps are those of a run with enough."""
    seen = []
    inner = evaluation._round_loss

    def short(objective, feed, picked, *, halves):
        def full(**arguments):
            seen.append(len(arguments["document_lengths"]))
            if feed_is_large(arguments):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return objective(**arguments)

        return inner(full, feed, picked, halves=halves)

    def feed_is_large(arguments):
        return arguments["input_ids"].shape[1] > 64

    losses = []
    for name in ("enough", "short"):
        if name == "short":
            monkeypatch.setattr(evaluation, "_round_loss", short)
        folder = make_run(name, sample={"count": 0}, data={"eval_fraction": 0.4})
        assert rank.main(folder) == 0
        losses.append([event["eval_loss"] for event in read_events(folder, "eval")])
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert max(seen) > 1
