"""Parts of a run are built in order, and a checkpoint of another run is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from trainer_core.engine import setup
from trainer_core.engine.checkpoint import VerifiedCheckpoint
from trainer_core.engine.distributed import World
from trainer_core.engine.model import blocks_of
from trainer_core.engine.precision import choose_numerics
from trainer_core.engine.rank import read_config
from trainer_core.engine.recompute import recompute_blocks
from trainer_core.engine.reporting import Reporter
from trainer_core.engine.settled import settle_steps
from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig

CPU = torch.device("cpu")


def test_a_run_is_built_from_its_folder(make_run, read_events):
    folder = make_run(parallel={"recomputation": "blocks"})
    reporter = Reporter(folder, rank=0, attempt=1)
    parts = setup.build(read_config(folder), folder, world=World(), device=CPU, reporter=reporter)
    reporter.close()
    parts.train_feed.close()
    assert parts.checkpoint is None
    assert parts.settled.sequences == len(parts.train_feed.feed.rows)
    assert parts.eval_feed is not None
    blocks = blocks_of(parts.model)
    assert all(block.gradient_checkpointing for block in blocks)
    names = [event["name"] for event in read_events(folder, "phase")]
    assert names[-1] == "loading"
    assert "tokenizing" in names


def test_a_checkpoint_of_other_data_is_refused():
    settled = settle_steps(
        RunConfig(sequence_length=64, steps=3), sequences=10, world_size=1, device=CPU
    )
    extra = settled.position_facts()
    same = VerifiedCheckpoint(step=2, path=Path("x"), extra=extra)
    setup.check_same_run(same, settled)
    setup.check_same_run(None, settled)
    other = VerifiedCheckpoint(step=2, path=Path("x"), extra=extra | {"sequences": 9})
    with pytest.raises(UserError, match="sequences 9"):
        setup.check_same_run(other, settled)


def test_rows_that_changed_are_refused():
    settled = settle_steps(
        RunConfig(sequence_length=64, steps=3), sequences=10, world_size=1, device=CPU
    )
    extra = settled.position_facts() | {setup.DATA_FACT: "before"}
    made = VerifiedCheckpoint(step=2, path=Path("x"), extra=extra)
    setup.check_same_run(made, settled, "before")
    with pytest.raises(UserError, match="its rows are not those"):
        setup.check_same_run(made, settled, "after")


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        (RunConfig(size="Medium.32GB"), False),
        (RunConfig(devices=("0", "1")), False),
        (RunConfig(size="Small.16GB"), True),
        (RunConfig(), True),
    ],
)
def test_another_number_of_devices_is_taken_only_when_asked_for(config, refused):
    config = msgspec.structs.replace(config, sequence_length=64, steps=3)
    settled = settle_steps(config, sequences=10, world_size=2, device=CPU)
    made = VerifiedCheckpoint(step=2, path=Path("x"), extra={}, world_size=1)
    if refused:
        with pytest.raises(UserError, match="made by 1 ranks and 2 were started"):
            setup.check_same_run(made, settled)
    else:
        setup.check_same_run(made, settled)
    assert setup.asked_devices(RunConfig(size="1.5xLarge.960GB")) == 12


def test_an_architecture_that_cannot_recompute_is_refused():
    class Stubborn:
        supports_gradient_checkpointing = False

    with pytest.raises(UserError, match="recomputation"):
        recompute_blocks(Stubborn())


def test_a_cpu_has_no_kernel_for_documents():
    assert not setup.uses_kernel(CPU, choose_numerics("bf16", CPU))
