"""Ranks of several runs, one run after the other, forked from one process that has torch already.

`python ranks_program.py JOBS`: a JSON list of {folder, ranks, forget}; prints each run's exit
codes. `forget` names checkpoints to be dropped first, so that a run goes on from an older one.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import torch

from trainer_core.engine import rank

PRELOADED = (
    *("trainer_core.engine.trainer", "torch.distributed.fsdp", "torch.nn.parallel.distributed"),
    *("torch.distributed.device_mesh", "torch.distributed.tensor", "transformers.modeling_utils"),
    *("transformers.models.gpt2.modeling_gpt2", "transformers.models.llama.modeling_llama"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    "torch.utils.checkpoint",
)
"""What every rank needs: imported once, before they are forked."""


def run(folder: Path, ranks: int) -> list[int]:
    """Fork the ranks of one run and wait for them."""
    children = []
    for number in range(ranks):
        child = os.fork()
        if child == 0:
            log = os.open(folder / f"rank-{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if ranks > 1:
                os.environ |= {
                    "RANK": str(number),
                    "LOCAL_RANK": str(number),
                    "WORLD_SIZE": str(ranks),
                    "LOCAL_WORLD_SIZE": str(ranks),
                }
            os._exit(rank.main(folder))
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main() -> None:
    """Run all jobs."""
    for name in PRELOADED:
        importlib.import_module(name)
    torch.set_num_threads(1)
    for number, job in enumerate(json.loads(sys.argv[1])):
        folder = Path(job["folder"])
        for name in job.get("forget", []):
            shutil.rmtree(folder / "checkpoints" / name, ignore_errors=True)
        # A copied folder brings the meeting points of its ranks, who are not there any more.
        meeting = folder / f"rendezvous-{number}"
        meeting.unlink(missing_ok=True)
        os.environ["MOAI_TUI_RENDEZVOUS"] = str(meeting)
        os.environ["MOAI_TUI_ATTEMPT"] = str(number + 1)
        if "config" in job:
            (folder / "config.yaml").write_text(job["config"])
        print(json.dumps(run(folder, job["ranks"])), flush=True)


main()
