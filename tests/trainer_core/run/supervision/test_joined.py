from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.supervision import given_devices, joined
from trainer_core.run.supervision.joined import (
    announce,
    find_announced,
    forget,
    membership,
    run_member,
)

NewRun = Callable[..., RunDirectory]
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "job",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


def test_torchruns_variables_give_the_place() -> None:
    member = membership(TORCHRUN)
    assert member is not None
    assert (member.rank, member.world_size, member.local_rank) == (1, 4, 1)
    assert not member.leads
    assert member.environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
    assert member.environment["MOAI_TUI_RENDEZVOUS"] == ""


def test_slurms_variables_do_so_in_a_step() -> None:
    slurm = {
        "SLURM_PROCID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "0",
        "SLURM_JOB_ID": "7",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }
    assert membership(slurm) is None  # in the batch script itself there is no rank
    member = membership({**slurm, "SLURM_STEP_ID": "0"})
    assert member is not None
    assert member.leads
    assert member.environment["RANK"] == "0"
    assert member.local_world_size == 1


@pytest.mark.parametrize(
    ("tasks", "node", "here"),
    [("2(x3),1", "0", 2), ("2(x3),1", "3", 1), ("4", "", 1), ("x", "0", 1)],
)
def test_slurm_says_how_many_ranks_are_on_this_node(tasks: str, node: str, here: int) -> None:
    slurm = {**TORCHRUN, "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "7"}
    slurm |= {"SLURM_TASKS_PER_NODE": tasks, "SLURM_NODEID": node}
    del slurm["RANK"]
    member = membership(slurm)
    assert member is not None
    assert member.local_world_size == here


@pytest.mark.parametrize(
    "environ", [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "zero", "WORLD_SIZE": "2"}]
)
def test_no_launcher_is_no_membership(environ: dict[str, str]) -> None:
    assert membership(environ) is None


def test_ranks_that_cannot_meet_are_one_sentence() -> None:
    with pytest.raises(UserError, match="MASTER_ADDR"):
        membership({"RANK": "0", "WORLD_SIZE": "2"})
    with pytest.raises(UserError, match="GLOO_SOCKET_IFNAME"):
        membership({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "node0", "MASTER_PORT": "1"})


def test_every_job_has_a_key_of_its_own_and_all_its_ranks_the_same() -> None:
    first = membership(TORCHRUN)
    peer = membership({**TORCHRUN, "RANK": "3", "LOCAL_RANK": "0"})
    other = membership({**TORCHRUN, "TORCHELASTIC_RUN_ID": "next"})
    assert first is not None
    assert peer is not None
    assert other is not None
    assert first.key == peer.key != other.key


def test_the_folder_is_found_and_an_old_note_is_not_believed(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined, "FIND_SECONDS", 0.3)
    monkeypatch.setattr(joined, "TICK_SECONDS", 0.01)
    member = membership(TORCHRUN)
    assert member is not None
    run = new_run()
    with pytest.raises(UserError, match="MOAI_TUI_RUNS"):
        find_announced(member)
    announce(member, run)
    assert find_announced(member) == run
    (note,) = run.path.parent.glob(".joined-*")
    os.utime(note, (1.0, 1.0))
    with pytest.raises(UserError):
        find_announced(member)
    forget(member)
    assert not note.exists()


def test_a_member_runs_its_rank_into_the_shared_logs(
    new_run: NewRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_devices, "FIRST_RANK_SECONDS", 0.0)
    program = tmp_path / "rank.py"
    program.write_text(
        "import os, sys; print(os.environ['RANK'], os.environ['WORLD_SIZE']); sys.exit(3)"
    )
    monkeypatch.setenv("MOAI_TUI_TEST_RANK", str(program))
    member = membership(TORCHRUN)
    assert member is not None
    run = new_run()
    assert run_member(run, member, None) == 3
    assert run.rank_log_path(1).read_text() == "1 4\n"
