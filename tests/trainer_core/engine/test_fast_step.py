"""The fast path, run whole on the CPU by its plain twins: it trains, resumes and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer_core.engine import fast_step, setup
from trainer_core.engine.fast_step import BackwardStepper, takes_fast_path, wanted_of
from trainer_core.engine.kernels.block_adamw import BlockAdamW
from trainer_core.engine.precision import Numerics
from trainer_core.engine.rank import main
from trainer_core.run.config.run_config import OptimizerConfig, ParallelConfig, RunConfig

GIB = 1 << 30


@pytest.fixture
def like_a_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a CPU take the fast path with so many bytes of memory."""

    def pretend(memory_bytes: int) -> None:
        monkeypatch.setattr(
            setup,
            "takes_fast_path",
            lambda config, numerics, world_size: config.numerics == "auto",
        )
        monkeypatch.setattr(fast_step, "memory_to_use", lambda device: memory_bytes)

    return pretend


def losses(events: list[dict[str, Any]]) -> list[float]:
    return [event["train_loss"] for event in events]


def test_it_learns_as_the_plain_way_does(
    make_run: Callable[..., Path],
    read_events: Callable[..., list[dict[str, Any]]],
    like_a_card: Callable[[int], None],
) -> None:
    like_a_card(40 * GIB)
    shared = {"steps": 8, "precision": "bf16", "micro_batch_size": None}
    plain = make_run("plain", numerics="plain", **shared)
    fast = make_run("fast", numerics="auto", **shared)
    assert main(plain) == 0
    assert main(fast) == 0
    expected, found = losses(read_events(plain, "step")), losses(read_events(fast, "step"))
    assert found == pytest.approx(expected, rel=0.02)
    assert found[-1] < found[0]
    (started,) = read_events(fast, "run_started")
    assert any("rounded stochastically" in choice for choice in started["choices"])
    assert any("states in fp32" in choice for choice in started["choices"])


def test_stepping_in_the_backward_pass_resumes_to_the_last_digit(
    make_run: Callable[..., Path],
    read_events: Callable[..., list[dict[str, Any]]],
    like_a_card: Callable[[int], None],
) -> None:
    like_a_card(40 * GIB)
    shared = {
        "precision": "bf16",
        "micro_batch_size": 8,
        "optimizer": {"in_backward": "yes", "states": "fp8", "schedule": "constant"},
        "checkpoint": {"every_steps": 3},
        "sample": {"count": 0},
    }
    straight = make_run("straight", numerics="auto", steps=6, **shared)
    assert main(straight) == 0
    broken = make_run("broken", numerics="auto", steps=6, **shared)
    import shutil

    shutil.copytree(
        straight / "checkpoints" / "step-00000003", broken / "checkpoints" / "step-00000003"
    )
    assert main(broken) == 0
    assert losses(read_events(broken, "step")) == losses(read_events(straight, "step"))[3:]
    assert all(event["grad_norm"] > 0 for event in read_events(straight, "step"))


def test_a_resumed_run_keeps_the_format_of_its_states(
    make_run: Callable[..., Path],
    read_events: Callable[..., list[dict[str, Any]]],
    like_a_card: Callable[[int], None],
) -> None:
    """More memory than the first attempt had must not change what the states are kept in."""
    like_a_card(1 << 20)
    run = make_run(numerics="auto", precision="bf16", steps=2, sample={"count": 0})
    assert main(run) == 0
    (started,) = read_events(run, "run_started")
    assert any("states in 8 bits" in choice for choice in started["choices"])
    like_a_card(40 * GIB)
    config = (run / "config.yaml").read_text().replace("steps: 2\n", "steps: 3\n")
    (run / "config.yaml").write_text(config)
    assert main(run) == 0
    assert [event["step"] for event in read_events(run, "step")] == [1, 2, 3]


def test_gradients_outside_a_step_move_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(8))
    stepper = BackwardStepper(BlockAdamW([weight], lr=0.1, states="fp32"))
    (weight * 2).sum().backward()
    assert weight.grad is None
    assert torch.equal(weight.detach(), torch.ones(8))
    loss = (weight * 2).sum()
    with stepper.stepping(loss.detach()):
        loss.backward()
    assert (weight < 1).all()
    assert float(stepper.gradient_norm()) == pytest.approx((8 * 4) ** 0.5)


def test_a_loss_that_is_no_number_moves_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(8))
    stepper = BackwardStepper(BlockAdamW([weight], lr=0.1))
    loss = (weight * float("nan")).sum()
    with stepper.stepping(loss.detach()):
        loss.backward()
    assert torch.equal(weight.detach(), torch.ones(8))


@pytest.mark.parametrize(
    ("changes", "world_size", "taken"),
    [
        ({"numerics": "auto"}, 1, True),
        ({}, 1, True),
        ({"numerics": "plain"}, 1, False),
        ({"numerics": "auto", "method": "lora"}, 1, False),
        ({"numerics": "auto"}, 2, False),
    ],
)
def test_who_takes_it(changes: dict[str, Any], world_size: int, taken: bool) -> None:
    numerics = Numerics(compute=torch.bfloat16, device_type="cuda", reason="")
    assert takes_fast_path(RunConfig(**changes), numerics, world_size) is taken
    on_cpu = Numerics(compute=torch.bfloat16, device_type="cpu", reason="")
    assert not takes_fast_path(RunConfig(**changes), on_cpu, world_size)


def test_every_choice_can_be_made_by_hand() -> None:
    config = RunConfig(
        micro_batch_size=3,
        products="bf16",
        optimizer=OptimizerConfig(states="fp8", in_backward="no"),
        parallel=ParallelConfig(recomputation="blocks"),
    )
    wanted = wanted_of(config)
    assert (wanted.micro_batch_size, wanted.fp8, wanted.states) == (3, False, "fp8")
    assert (wanted.in_backward, wanted.recomputation) == (False, "blocks")
    free = wanted_of(RunConfig())
    assert (free.micro_batch_size, free.fp8, free.states, free.in_backward) == (None,) * 4


def test_stepping_inside_is_stepping_after_without_clipping(
    make_run: Callable[..., Path],
    read_events: Callable[..., list[dict[str, Any]]],
    like_a_card: Callable[[int], None],
) -> None:
    """Tied weights and all: when a weight is stepped changes no digit of what it learns."""
    like_a_card(40 * GIB)
    shared = {"steps": 5, "precision": "bf16", "micro_batch_size": 8, "sample": {"count": 0}}
    found = []
    for where in ("yes", "no"):
        optimizer = {"in_backward": where, "states": "fp32", "max_grad_norm": 0.0}
        run = make_run(where, numerics="auto", optimizer=optimizer, **shared)
        assert main(run) == 0
        found.append(losses(read_events(run, "step")))
    assert found[0] == found[1]


def test_stepping_inside_clips_nearly_as_the_norm_would(
    make_run: Callable[..., Path],
    read_events: Callable[..., list[dict[str, Any]]],
    like_a_card: Callable[[int], None],
) -> None:
    """A norm far above the limit at every step: unclipped, the losses are others."""
    like_a_card(40 * GIB)
    shared = {"steps": 8, "precision": "bf16", "micro_batch_size": 8, "sample": {"count": 0}}
    found = {}
    for name, where, most in [("inside", "yes", 0.05), ("after", "no", 0.05), ("free", "no", 0.0)]:
        optimizer = {"in_backward": where, "max_grad_norm": most, "epsilon": 1e-3}
        run = make_run(name, numerics="auto", optimizer=optimizer, **shared)
        assert main(run) == 0
        found[name] = losses(read_events(run, "step"))[-1]
    assert abs(found["inside"] - found["after"]) < 0.25 * abs(found["free"] - found["after"])
