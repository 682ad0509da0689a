"""Ways of running that must not show in the numbers."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.curves

STEPS = 12


@pytest.fixture(scope="module")
def reference(train_here):
    """Twelve steps on one rank, two micro-batches a step."""
    curve = train_here("reference")
    assert len(curve) == STEPS
    assert curve[-1][0] < curve[0][0] - 0.5
    return curve


def assert_equal_curves(one, other, *, largest: float, mean: float) -> None:
    """Compare losses step by step; the mean catches a drift that stays below the largest."""
    assert len(one) == len(other) == STEPS
    differences = [abs(a[0] - b[0]) for a, b in zip(one, other, strict=True)]
    assert max(differences) <= largest, differences
    assert sum(differences) / STEPS <= mean, differences


def test_the_same_seed_gives_the_same_digits(reference, train_here):
    assert train_here("again") == reference


def test_another_seed_gives_others(reference, train_here):
    assert (
        train_here("seed", seed=1, steps=1, optimizer={"warmup_steps": 1})[0][0] != reference[0][0]
    )


@pytest.mark.parametrize("micro_batch_size", [1, 8])
def test_micro_batches_do_not_show(micro_batch_size, reference, train_here):
    curve = train_here(f"micro-{micro_batch_size}", micro_batch_size=micro_batch_size)
    assert_equal_curves(curve, reference, largest=1e-5, mean=5e-6)


def test_recomputation_does_not_show(reference, train_here):
    curve = train_here("recomputation", parallel={"recomputation": "blocks"})
    assert_equal_curves(curve, reference, largest=1e-6, mean=1e-6)


def test_stopping_and_going_on_does_not_show(reference, make_folder, losses, monkeypatch):
    """Three attempts: the digits are those of the run that was never stopped."""
    from trainer_core.engine import rank, trainer
    from trainer_core.run.record.control import accept_request, new_request

    folder = make_folder("resumed")
    inner = trainer.Trainer._train_step

    def stopping(self, step):
        inner(self, step)
        if step in (5, 7):
            accept_request(folder, new_request("stop"))

    monkeypatch.setattr(trainer.Trainer, "_train_step", stopping)
    for attempt in (1, 2, 3):
        monkeypatch.setenv("MOAI_TUI_ATTEMPT", str(attempt))
        assert rank.main(folder) == 0
    assert losses(folder) == reference


QUICK = (
    *("--from-scratch", "--steps", "12", "--learning-rate", "3e-4"),
    *("--set", "sample.count=0"),
)
"""A rate at which rounding does not grow from step to step, as it does at 3e-3."""


@pytest.fixture(scope="module")
def on_one_device(train_command):
    """The built-in run from fresh weights, through the supervisor, as a user types it."""
    return train_command("small", "--size", "Small", *QUICK)


@pytest.mark.integration
@pytest.mark.parametrize("plan", ["strategy=fsdp", "tensor=2"])
def test_the_command_gives_the_same_curve_on_two_devices(plan, on_one_device, train_command):
    """Every kind of plan is compared on its ranks in `test_plans`."""
    name = plan.replace("=", "-")
    two = train_command(name, "--size", "Medium", *QUICK, "--set", f"parallel.{plan}")
    assert_equal_curves(two, on_one_device, largest=1e-5, mean=5e-6)
