"""The script is one bash reads, asks Slurm for what the run needs, and carries its config."""

from __future__ import annotations

import re
import subprocess

import pytest

from trainer_core.errors import ConfigError
from trainer_core.run.config.config_file import load_config
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.config.slurm import END, slurm_script


def directives(script: str) -> dict[str, str]:
    found = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script, re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize(
    ("size", "per_node", "nodes", "tasks", "gpus"),
    [("Small", 8, "1", "1", "1"), ("xLarge", 8, "1", "1", "8"), ("4xLarge", 8, "4", "8", "8")],
)
def test_it_asks_for_the_nodes_of_the_size(size, per_node, nodes, tasks, gpus, tmp_path):
    config = RunConfig(size=size, name="it's $HOME", time_limit="90m", model="cerebras/$(id)")
    script = slurm_script(config, per_node)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    asked = directives(script)
    assert (asked["nodes"], asked["ntasks-per-node"], asked["gpus-per-node"]) == (
        nodes,
        tasks,
        gpus,
    )
    assert (asked["time"], asked["signal"], asked["requeue"]) == ("1:30:00", "USR1@120", "")
    assert asked["job-name"] == "it-s--HOME"
    assert ("MASTER_ADDR" in script) == (nodes != "1")
    text = re.search(rf"<<'{END}'\n(.*)^{END}$", script, re.DOTALL | re.MULTILINE)
    stored = tmp_path / "config.yaml"
    stored.write_text(text[1])
    assert load_config(stored) == RunConfig(size=size, model="cerebras/$(id)")


def test_it_runs_the_command_with_the_config_it_carries(tmp_path):
    """Under a stand-in for srun: what starts is the run's own command, in the foreground."""
    (tmp_path / "srun").write_text('#!/bin/bash\necho "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    done = subprocess.run(
        ["bash"],
        input=slurm_script(RunConfig(size="Small"), 8),
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": "7",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    config = tmp_path / "moai-tui-7.yaml"
    assert done.stdout == f"--kill-on-bad-exit=1 moai-tui train {config} --foreground\n"
    assert load_config(config) == RunConfig(size="Small")


def test_a_size_that_is_missing_or_does_not_fill_its_nodes_is_refused():
    with pytest.raises(ConfigError, match="add --size"):
        slurm_script(RunConfig(), 8)
    with pytest.raises(ConfigError, match="12 devices do not fill nodes of 8"):
        slurm_script(RunConfig(size="1.5xLarge"), 8)
