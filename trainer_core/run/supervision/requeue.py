"""A batch job that is started again goes on with its run instead of beginning another.

Slurm starts a requeued job's script from its beginning, torchrun its workers after a failure;
both count. A run keeps the key of the job and the configuration it was made for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress

from trainer_core.durable import write_whole
from trainer_core.run.config.config_file import dump_config
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.data_worker import OnDownload
from trainer_core.run.processes.identity import boot_id
from trainer_core.run.record.directory import RunDirectory, read_exit, run_directories
from trainer_core.run.supervision.launch import launch, resume

JOB_FILE = "job"
_COUNTS = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")


def launch_or_resume(
    config: RunConfig, world_size: int | None = None, on_download: OnDownload | None = None
) -> RunDirectory:
    """Start the run of a configuration, or go on with the one a restarted job had begun.

    Args:
        config: As the user gave it, the same each time the job's script runs.
        world_size: Ranks of another launcher, None where the ranks are ours.
        on_download: Told how far the download of a hub dataset is.

    Returns:
        The run; where it had finished already it is left as it is.

    Raises:
        UserError: If it can neither be started nor resumed.
    """
    key = job_key(config)
    earlier = earlier_run(key) if key is not None and is_restarted() else None
    if earlier is not None:
        record = read_exit(earlier)
        if record is None or record.state != "finished":
            resume(earlier)
        return earlier
    directory = launch(config, world_size, on_download)
    if key is not None:
        with suppress(OSError):  # then a restarted job begins anew, which it says
            write_whole(directory.path / JOB_FILE, key.encode())
    return directory


def is_restarted(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the job around this process is on its second start or a later one."""
    environ = os.environ if environ is None else environ
    counts = [environ.get(name, "") for name in _COUNTS]
    return any(text.isascii() and text.isdigit() and int(text) > 0 for text in counts)


def job_key(config: RunConfig, environ: Mapping[str, str] | None = None) -> str | None:
    """Return what is the same at every start of one job for one configuration; None without one."""
    environ = os.environ if environ is None else environ
    if environ.get("SLURM_JOB_ID"):
        job = [environ.get("SLURM_CLUSTER_NAME", ""), environ["SLURM_JOB_ID"]]
    elif environ.get("TORCHELASTIC_RUN_ID"):
        # Its own name may be "none"; the agent that starts the workers again stays the same.
        job = [environ["TORCHELASTIC_RUN_ID"], boot_id(), str(os.getppid())]
    else:
        return None
    facts = "\0".join([*job, dump_config(config)])
    return hashlib.sha256(facts.encode()).hexdigest()


def earlier_run(key: str) -> RunDirectory | None:
    """Return the newest run of a job; None where it has none."""
    for directory in run_directories():
        with suppress(OSError):
            if (directory.path / JOB_FILE).read_bytes() == key.encode():
                return directory
    return None
