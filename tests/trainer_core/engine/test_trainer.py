"""A whole run in one process: what it writes, and how it ends."""

from __future__ import annotations

import math

import pytest
import torch

from trainer_core.engine import outcomes, rank, trainer
from trainer_core.run.record.control import accept_request, new_request, take_answers


def test_a_run_from_its_first_event_to_its_model(make_run, read_events):
    folder = make_run(eval={"every_steps": 2}, checkpoint={"every_steps": 2})
    assert rank.main(folder) == 0
    kinds = [event["type"] for event in read_events(folder) if event["type"] != "phase"]
    told = [kind for kind in kinds if kind != "checkpoint_saved"]  # from a thread of their own
    assert told == [
        *("run_started", "memory_probed", "eval", "sample", "step", "step", "eval"),
        *("step", "step", "eval", "sample", "model_saved", "training_ended"),
    ]
    saved = read_events(folder, "checkpoint_saved")
    assert [event["step"] for event in saved] == [1, 2, 4]  # a trial, when due, the end
    assert kinds.index("checkpoint_saved") > kinds.index("step")
    assert all(0 <= event["waited_seconds"] <= event["seconds"] for event in saved)
    (started,) = read_events(folder, "run_started")
    assert started["total_steps"] == 4
    assert started["trained_parameters"] == started["parameters"] > 0
    assert started["plan"].startswith("one device, micro-batch 4, accumulation 2")
    steps = read_events(folder, "step")
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    for step in steps:
        assert 0 < step["counted_tokens"] < step["tokens"] == step["padded_tokens"]
        assert step["tokens_per_second"] == pytest.approx(step["tokens"] / step["step_seconds"])
        assert step["step_seconds"] >= step["data_seconds"] >= 0
        assert step["mfu"] is None
        assert step["peak_memory_bytes"] is None or step["peak_memory_bytes"] > 1 << 20
    evals = read_events(folder, "eval")
    assert [event["step"] for event in evals] == [0, 2, 4]
    assert evals[-1]["eval_loss"] < evals[0]["eval_loss"]
    assert (folder / "model" / "model.safetensors").is_file()
    assert (folder / "checkpoints" / "step-00000004" / "MANIFEST.json").is_file()
    (ended,) = read_events(folder, "training_ended")
    assert (ended["reason"], ended["step"], ended["exit_code"]) == ("finished", 4, 0)


def test_steps_between_are_not_logged_when_told_so(make_run, read_events):
    folder = make_run(log={"every_steps": 3}, sample={"count": 0}, steps=6)
    assert rank.main(folder) == 0
    assert [step["step"] for step in read_events(folder, "step")] == [3, 6]
    assert not read_events(folder, "sample")


def test_warming_up_shows_only_as_a_phase(make_run, read_events, monkeypatch):
    curves = []
    for name, warm in (("cold", False), ("warm", True)):
        monkeypatch.setattr(trainer, "is_compiled", lambda device, warm=warm: warm)
        folder = make_run(name)
        assert rank.main(folder) == 0
        curves.append([event["train_loss"] for event in read_events(folder, "step")])
        phases = [event["name"] for event in read_events(folder, "phase")]
        assert ("compiling" in phases) == warm
    assert curves[0] == curves[1]


@pytest.fixture
def poisoned(monkeypatch):
    """The loss of step 3 is not a number, and so are its gradients."""
    inner = trainer.Trainer._forward_backward
    calls = []

    def broken(self, micro_batches, counted_tokens):
        loss = inner(self, micro_batches, counted_tokens)
        calls.append([p.detach().clone() for p in self._trained])
        if len(calls) == 3:
            for parameter in self._trained:
                parameter.grad.fill_(math.nan)
            return loss * math.nan
        return loss

    monkeypatch.setattr(trainer.Trainer, "_forward_backward", broken)
    return calls


def test_a_loss_that_is_no_number_stops_before_the_weights_move(make_run, read_events, poisoned):
    folder = make_run(steps=6, sample={"count": 0})
    assert rank.main(folder) == 1
    (ended,) = read_events(folder, "training_ended")
    assert ended["reason"] == "failed"
    assert ended["error"].startswith("the loss of step 3 is not a finite number")
    assert "learning_rate" in ended["fix"]
    assert [step["train_loss"] for step in read_events(folder, "step")][-1] == "nan"
    # The fourth backward pass ran on the weights the third step was refused to change.
    before, after = poisoned[2], poisoned[3]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert len(poisoned) == 4


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_a_request_ends_the_run_at_a_border_and_it_goes_on_from_there(
    action, make_run, read_events, monkeypatch
):
    folder = make_run(steps=5, seed=9)
    inner = trainer.Trainer._train_step

    def asking(self, step):
        inner(self, step)
        if step == 2:
            accept_request(folder, new_request(action))

    monkeypatch.setattr(trainer.Trainer, "_train_step", asking)
    assert rank.main(folder) == 0
    (ended,) = read_events(folder, "training_ended")
    assert (ended["step"], ended["reason"]) == (2, {"stop": "stopped", "pause": "paused"}[action])
    assert take_answers(folder)[0].step == 2
    assert (folder / "checkpoints" / "step-00000002").is_dir()
    assert (folder / "model").is_dir() == (action == "stop")
    measured = [0, 2] if action == "stop" else [0]
    assert [event["step"] for event in read_events(folder, "eval")] == measured
    assert [event["step"] for event in read_events(folder, "sample")] == measured
    monkeypatch.setattr(trainer.Trainer, "_train_step", inner)
    monkeypatch.setenv("MOAI_TUI_ATTEMPT", "2")
    assert rank.main(folder) == 0
    assert read_events(folder, "run_started")[-1]["resumed_from_step"] == 2
    assert [step["step"] for step in read_events(folder, "step")] == [1, 2, 3, 4, 5]


def test_a_stop_does_not_wait_for_a_slow_evaluation(make_run, read_events, monkeypatch):
    folder = make_run(steps=5)
    monkeypatch.setattr(outcomes, "QUICK_SECONDS", 0.0)
    inner = trainer.Trainer._train_step

    def asking(self, step):
        inner(self, step)
        accept_request(folder, new_request("stop"))

    monkeypatch.setattr(trainer.Trainer, "_train_step", asking)
    assert rank.main(folder) == 0
    assert [event["step"] for event in read_events(folder, "eval")] == [0]
    assert [event["step"] for event in read_events(folder, "sample")] == [0]
    assert (folder / "model").is_dir()


def test_save_makes_a_checkpoint_and_the_run_goes_on(make_run, read_events, monkeypatch):
    folder = make_run(steps=3, sample={"count": 0})
    inner = trainer.Trainer._train_step

    def asking(self, step):
        inner(self, step)
        if step == 2:
            accept_request(folder, new_request("save"))

    monkeypatch.setattr(trainer.Trainer, "_train_step", asking)
    assert rank.main(folder) == 0
    assert [event["step"] for event in read_events(folder, "checkpoint_saved")] == [1, 2, 3]


def test_a_time_limit_of_nothing_ends_before_the_first_step(make_run, read_events):
    folder = make_run(time_limit="1s", steps=5000, sample={"count": 0})
    assert rank.main(folder) == 0
    (ended,) = read_events(folder, "training_ended")
    assert ended["reason"] == "time_limit"
    assert ended["step"] < 5000


def test_nothing_held_out_is_no_evaluation(make_run, read_events):
    folder = make_run(data={"eval_fraction": 0.0}, steps=2)
    assert rank.main(folder) == 0
    assert not read_events(folder, "eval")
    assert len(read_events(folder, "sample")) == 2
