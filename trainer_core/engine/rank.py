"""One rank of a run, from its folder to its exit code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_core.errors import ConfigErrors, UserError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.events import Notice, TrainingEnded
from trainer_core.run.supervision.cause import exception_in

if TYPE_CHECKING:
    from trainer_core.engine.reporting import Reporter

FINISHED, FAILED, BAD_INPUT = 0, 1, 2
MESSAGE_LINES = 5
"""Of an exception that nobody foresaw; the whole of it stands in the rank's log."""


def main(run_folder: Path) -> int:
    """Train what `config.yaml` in a run folder says; returns the exit code.

    Several ranks find each other through torchrun's variables. Rank 0 writes the events. A
    user's mistake is one sentence in `training_ended` and code 2; any other failure is a
    traceback on stderr and code 1.
    """
    prepare_process()
    from trainer_core.engine.reporting import Reporter
    from trainer_core.engine.run_log import say

    attempt = int(os.environ.get("MOAI_TUI_ATTEMPT", "1"))
    # Read again once torch is there, which takes seconds: until then this alone names the wait.
    number = os.environ.get("RANK", "0")
    reporter = Reporter(run_folder, rank=int(number) if number.isdigit() else 0, attempt=attempt)
    say(f"rank {number} starts (attempt {attempt}, pid {os.getpid()})")
    reporter.phase("importing")
    try:
        from trainer_core.engine.distributed import leave

        _train(run_folder, reporter, attempt)
        ending = None
    except UserError as error:
        ending = _ended(reporter.step, error, code=BAD_INPUT)
    except Exception as error:  # outermost line of the process: reported and kept
        traceback.print_exc()
        ending = _ended(reporter.step, error, code=FAILED)
    else:
        leave()
    if ending is not None:
        reporter.event(ending)
        sys.stderr.write("; ".join(part for part in (ending.error, ending.fix) if part) + "\n")
    code = FINISHED if ending is None else ending.exit_code
    say(f"rank {number} ends with exit code {code}")
    reporter.sync()
    reporter.close()
    return code


def prepare_process() -> None:
    """Set this process up to train: its memory, threads and caches; before torch is loaded."""
    from trainer_core.engine.memory import keep_freed_memory

    keep_freed_memory()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # said, so that a fork brings no advice
    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would fill the log
    # Before torch is loaded: threads that spin while they wait take the cores of other ranks.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Packed documents hardly ever repeat a shape: oneDNN's cache of 1,024 compiled products grows
    # by 10 MiB a step at first (`tiny`: 667 MiB at its peak against 523) and is no faster.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
    # Large tensors on pages of 2 MiB: 8 % less CPU time for a GPT-2 of 4 x 256 at 1,024 tokens, and
    # a tenth more memory.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    keep_compiled_kernels()


def _train(run_folder: Path, reporter: Reporter, attempt: int) -> None:
    from trainer_core.engine import setup
    from trainer_core.engine.device import choose_device, pin_to_cores, set_threads
    from trainer_core.engine.distributed import join, read_world
    from trainer_core.engine.shortage import with_smaller_plan
    from trainer_core.engine.trainer import Trainer
    from trainer_core.engine.wishes import Wishes
    from trainer_core.run.config.time_limit import ends_at
    from trainer_core.run.storage.checkpoints import sweep

    world = read_world()
    config, smaller = with_smaller_plan(read_config(run_folder), run_folder)
    wishes = Wishes(run_folder, leads=world.leads, ends_at=ends_at(config.time_limit))
    wishes.listen()
    pin_to_cores()
    set_threads(config.worker.threads, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    device = choose_device(world.local_rank)
    if world.size > 1:
        reporter.phase("connecting", detail=f"{world.size} ranks")
    join(world, device)
    reporter.phase("loading")
    if world.leads:
        sweep(run_folder)
    if smaller and world.leads:
        reporter.event(Notice(level="warning", text=smaller))
    parts = setup.build(config, run_folder, world=world, device=device, reporter=reporter)
    Trainer(parts, run_folder, reporter=reporter, wishes=wishes, attempt=attempt).run()


def keep_compiled_kernels() -> None:
    """Let torch and Triton keep what they compile in our cache, so that the next start is warm.

    Before torch is loaded. Its allocator is told to grow its segments too: at 13B on one card what
    lies between blocks that cannot be joined is the difference between fitting and not.
    """
    from trainer_core.folders import cache_root

    kernels = cache_root() / "kernels"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(kernels / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(kernels / "triton"))
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


def read_config(run_folder: Path) -> RunConfig:
    """Return the checked configuration of a run folder.

    Raises:
        UserError: If it is missing or wrong.
    """
    from trainer_core.run.config.check import check
    from trainer_core.run.config.config_file import load_config

    config = load_config(run_folder / "config.yaml")
    errors = check(config)
    if errors:
        raise ConfigErrors(errors)
    return config


def _ended(step: int, error: Exception, *, code: int) -> TrainingEnded:
    sentence = str(error)
    fix = getattr(error, "fix", None)
    if code == FAILED and not fix:
        text = "".join(traceback.format_exception(error))
        sentence = exception_in(text, MESSAGE_LINES) or f"{type(error).__name__}: {error}"
    change = getattr(error, "change", {})
    return TrainingEnded(
        step=step, reason="failed", error=sentence, fix=fix, change=change, exit_code=code
    )
