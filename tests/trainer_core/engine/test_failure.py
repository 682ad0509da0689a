"""Running out of memory is one sentence with a way out; other errors stay what they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from trainer_core.engine.failure import TrainingFailed, is_out_of_memory, memory_named
from trainer_core.engine.model import TINY_SHAPE
from trainer_core.engine.precision import choose_numerics
from trainer_core.engine.settled import settle_length, settle_steps
from trainer_core.run.config.run_config import RunConfig

CPU = torch.device("cpu")


@pytest.fixture
def parts():
    """As much of a run as the sentence speaks of."""
    config = settle_length(RunConfig(global_batch_size=8, micro_batch_size=8, steps=4))
    return SimpleNamespace(
        settled=settle_steps(config, sequences=100, world_size=1, device=CPU),
        loaded=SimpleNamespace(shape=TINY_SHAPE),
        numerics=choose_numerics("fp32", CPU),
        device=CPU,
    )


def test_the_processors_own_complaint_is_known(parts):
    """Asked for more than any machine has."""
    with (
        pytest.raises(TrainingFailed) as caught,
        memory_named(parts, where="a test"),
    ):
        torch.empty(1 << 55, dtype=torch.uint8)
    assert str(caught.value).startswith("the host ran out of memory in a test; the plan predicted ")
    assert caught.value.fix.startswith("start again with --set micro_batch_size=4: ")
    assert caught.value.change == {"micro_batch_size": "4"}


def test_a_cards_complaint_is_known():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_other_errors_pass(parts):
    with (
        pytest.raises(RuntimeError, match=r"^shapes$"),
        memory_named(parts, where="a test"),
    ):
        raise RuntimeError("shapes")
