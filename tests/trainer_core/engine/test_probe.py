"""The longest micro-batch goes through once before step 1, and leaves nothing behind."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine import probe, rank, trainer
from trainer_core.engine.passes import Passes
from trainer_core.engine.probe import states_to_come
from trainer_core.run.record.events import MemoryProbed


@pytest.fixture
def seen_parts(monkeypatch):
    """Weights, gradients, random state and optimizer around the probe of a run."""
    seen = {}
    inner = trainer.probe_memory

    def facts(parts):
        return (
            [p.detach().clone() for p in parts.objective.parameters()],
            torch.get_rng_state(),
            len(parts.optimizer.state),
        )

    def watched(parts, passes):
        before = facts(parts)
        event = inner(parts, passes)
        seen["parts"], seen["before"], seen["after"] = parts, before, facts(parts)
        seen["gradients"] = [p.grad for p in parts.objective.parameters()]
        return event

    monkeypatch.setattr(trainer, "probe_memory", watched)
    return seen


def test_it_measures_and_leaves_nothing_behind(make_run, read_events, seen_parts):
    folder = make_run(sample={"count": 0})
    assert rank.main(folder) == 0
    (event,) = read_events(folder, "memory_probed")
    (started,) = read_events(folder, "run_started")
    assert event["predicted_memory_bytes"] == started["predicted_memory_bytes"] > 300 << 20
    assert event["probed_memory_bytes"] is None or event["probed_memory_bytes"] > 100 << 20
    phases = [phase["name"] for phase in read_events(folder, "phase")]
    assert phases.index("probing") < phases.index("evaluating") < phases.index("training")
    before, after = seen_parts["before"], seen_parts["after"]
    assert all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert torch.equal(before[1], after[1])
    assert before[2] == after[2] == 0
    assert seen_parts["gradients"] == [None] * len(before[0])


def test_it_does_not_show_in_the_losses(make_run, read_events, monkeypatch):
    """Dropout draws random numbers, which the probe must give back."""
    curves = []
    for name in ("probed", "not"):
        if name == "not":
            monkeypatch.setattr(trainer, "probe_memory", lambda parts, passes: MemoryProbed())
        folder = make_run(name, sample={"count": 0}, method="lora", lora={"dropout": 0.3})
        assert rank.main(folder) == 0
        curves.append([event["train_loss"] for event in read_events(folder, "step")])
    assert curves[0] == curves[1]


def test_the_states_that_step_1_makes_are_counted(make_run, seen_parts, monkeypatch):
    monkeypatch.setattr(probe, "peak_memory_bytes", lambda device: 1000)
    folder = make_run(sample={"count": 0}, steps=1)
    assert rank.main(folder) == 0
    parts = seen_parts["parts"]
    weights = sum(p.numel() for p in parts.objective.parameters())
    assert states_to_come(parts.optimizer) == []  # by now the step has made them
    parts.optimizer.state.clear()
    assert sum(state.numel() for state in states_to_come(parts.optimizer)) == weights
    assert probe.probe_memory(parts, Passes(parts)).probed_memory_bytes == 1000 + 2 * 4 * weights


def test_memory_that_is_full_ends_the_run_before_step_1(make_run, read_events, monkeypatch):
    def full(parts, passes):
        torch.empty(1 << 55, dtype=torch.uint8)

    monkeypatch.setattr(trainer, "probe_memory", full)
    folder = make_run(sample={"count": 0})
    assert rank.main(folder) == 1
    (ended,) = read_events(folder, "training_ended")
    assert (ended["reason"], ended["step"], ended["exit_code"]) == ("failed", 0, 1)
    assert "ran out of memory in the longest micro-batch, before step 1" in ended["error"]
    assert ended["fix"].startswith("start again with --set micro_batch_size=")
    assert not read_events(folder, "step")
    assert not (folder / "model").exists()
