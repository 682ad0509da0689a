"""Ranks that torchrun or Slurm started: one `moai-tui train --foreground` for each of them.

Rank 0's command makes the run folder and starts the supervisor, which starts that rank alone;
the other commands find the folder on the disk they share and start theirs. Devices are the
launcher's to give, and a failed run is its to start again.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from trainer_core.durable import write_whole
from trainer_core.errors import UserError
from trainer_core.folders import runs_root
from trainer_core.run.record.control import send_request
from trainer_core.run.record.directory import RunDirectory, read_exit

JOINED_VARIABLE = "MOAI_TUI_JOINED"
"""Set for the supervisor of a joined run: it starts the one rank its environment names."""

FIND_SECONDS = 600.0
"""Rank 0 may still download or count data while the others look for its folder."""
FRESH_SECONDS = 60.0
"""Commands of one job start about together; an older note is of an earlier job."""
TICK_SECONDS = 0.2

_PASSED_ON = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"),
    *("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"),
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """This command's place among the ranks of a job."""

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    environment: dict[str, str]
    """What the rank's process needs of the launcher's variables."""
    key: str
    """The same for every rank of one job, another for every job."""

    @property
    def leads(self) -> bool:
        """Whether this command makes the run folder."""
        return self.rank == 0


def membership(environ: Mapping[str, str]) -> Membership | None:
    """Return the place that a launcher's variables give; None where there is no launcher.

    Raises:
        UserError: If they do not say how the ranks reach each other.
    """
    rank, world = environ.get("RANK"), environ.get("WORLD_SIZE")
    local, local_world = environ.get("LOCAL_RANK"), environ.get("LOCAL_WORLD_SIZE")
    if rank is None and environ.get("SLURM_STEP_ID") and environ.get("SLURM_PROCID"):
        rank, world = environ.get("SLURM_PROCID"), environ.get("SLURM_NTASKS")
        local, local_world = environ.get("SLURM_LOCALID"), _tasks_here(environ)
    numbers = (rank, world, local or "0", local_world or "1")
    if rank is None or world is None or not all(text and text.isdigit() for text in numbers):
        return None
    if int(world) <= 1:
        return None
    _require_address(environ)
    own = {name: environ[name] for name in _PASSED_ON if name in environ}
    own |= {
        "RANK": rank,
        "WORLD_SIZE": world,
        "LOCAL_RANK": local or "0",
        "LOCAL_WORLD_SIZE": local_world or "1",
        "MOAI_TUI_RENDEZVOUS": "",
    }
    names = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "SLURM_STEP_ID", "MASTER_ADDR", "MASTER_PORT")
    job = "\0".join(environ.get(name, "") for name in names)
    return Membership(
        rank=int(rank),
        world_size=int(world),
        local_rank=int(local or 0),
        local_world_size=int(local_world or 1),
        environment=own,
        key=hashlib.sha256(job.encode()).hexdigest()[:16],
    )


def announce(member: Membership, directory: RunDirectory) -> None:
    """Tell the other ranks which folder is theirs."""
    write_whole(_note(member), os.fsencode(directory.path.absolute()))


def forget(member: Membership) -> None:
    """Take the note back: the next job of the same address is another run."""
    _note(member).unlink(missing_ok=True)


def find_announced(member: Membership) -> RunDirectory:
    """Wait for rank 0's folder.

    Raises:
        UserError: If it does not appear.
    """
    note = _note(member)
    # The age of the note is taken by the file server's clock: those of two nodes may differ.
    mark = note.with_name(f"{note.name}.{member.rank}")
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(mark, b"")
    oldest = mark.stat().st_mtime - FRESH_SECONDS
    mark.unlink()
    end = time.monotonic() + FIND_SECONDS
    while time.monotonic() < end:
        if note.exists() and note.stat().st_mtime > oldest:
            return RunDirectory(Path(os.fsdecode(note.read_bytes())))
        time.sleep(TICK_SECONDS)
    raise UserError(
        f"rank {member.rank} does not see the run folder of rank 0 in {runs_root()}; "
        "set MOAI_TUI_RUNS to a folder that every node shares"
    )


def run_member(directory: RunDirectory, member: Membership, python: str | None) -> int:
    """Run this rank to its end, its output in the run's logs; returns the exit code.

    INT, TERM and USR1 become a request to stop and save.
    """
    from trainer_core.run.processes.usable_worker import require_usable
    from trainer_core.run.supervision.given_devices import GivenWait
    from trainer_core.run.supervision.ranks import RankGroup

    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, stop)
    wait = GivenWait(member, directory.id)
    try:
        while isinstance(held := wait.try_now(), str):
            if asked or read_exit(directory) is not None:
                return 0
            time.sleep(TICK_SECONDS)
        require_usable(held.devices, python)
    finally:
        wait.give_up()
    wakeup, wakeup_end = os.pipe()
    attempt = int(os.environ.get("MOAI_TUI_ATTEMPT", "1"))
    group = RankGroup(
        directory=directory,
        attempt=attempt,
        config=directory.config(),
        first_rank=member.rank,
        shared=True,
    )
    group.start(held.environments(), python, wakeup)
    sent = False
    while group.alive:
        group.pump(TICK_SECONDS)
        if asked and not sent:
            sent = True
            send_request(directory.path, "stop")
    code = group.ranks[0].process.wait()
    group.close(wakeup)
    held.release()
    os.close(wakeup)
    os.close(wakeup_end)
    return code if code >= 0 else 1


def _tasks_here(environ: Mapping[str, str]) -> str | None:
    """Return how many ranks Slurm starts on this node, of text like `2(x3),1`; None if unknown."""
    name = "SLURM_STEP_TASKS_PER_NODE"
    text = environ.get(name) or environ.get("SLURM_TASKS_PER_NODE", "")
    counts: list[str] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,5})(?:\(x(\d{1,5})\))?", part.strip(), re.ASCII)
        if found is None:
            return None
        counts += [found[1]] * int(found[2] or 1)
    node = environ.get("SLURM_NODEID", "0")
    return counts[int(node)] if node.isdigit() and int(node) < len(counts) else None


def _note(member: Membership) -> Path:
    return runs_root() / f".joined-{member.key}"


def _require_address(environ: Mapping[str, str]) -> None:
    address = environ.get("MASTER_ADDR")
    if not address or not environ.get("MASTER_PORT"):
        raise UserError(
            "RANK and WORLD_SIZE are set without an address to meet at; set MASTER_ADDR and "
            "MASTER_PORT to the first node's, or unset RANK to train on this machine alone"
        )
    if address in _LOOPBACK or environ.get("TORCHELASTIC_RUN_ID"):
        return
    if not (environ.get("GLOO_SOCKET_IFNAME") and environ.get("NCCL_SOCKET_IFNAME")):
        raise UserError(
            "Name the network between the nodes in GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME: "
            "PyTorch's transport has no authentication, so it must be a trusted one"
        )
