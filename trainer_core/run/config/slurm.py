"""A Slurm script that starts a run on one node or several, stops it in time and goes on after.

Several nodes: one command for each device, which meet at the first node. One node: one command,
which starts the ranks itself on the devices Slurm gave it.
"""

from __future__ import annotations

import re

import msgspec

from trainer_core.accelerators.sizes import DEVICES_BY_NAME
from trainer_core.errors import ConfigError
from trainer_core.run.config.check import parse_time_limit
from trainer_core.run.config.config_file import dump_config
from trainer_core.run.config.run_config import RunConfig

DAY_SECONDS = 86_400
END = "END-OF-CONFIG"
SAVE_SECONDS = 120
"""Between Slurm's signal and the end of the time: the run stops and saves meanwhile."""

SUBMIT = "Submit it from a folder that every node shares: sbatch FILE"

_SEVERAL_NODES = """\
export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
# PyTorch's transport is not authenticated: name the trusted network between the nodes.
network=${MOAI_TUI_NETWORK:-$(ip -o route get "$(getent hosts "$MASTER_ADDR" | awk '{print $1}')" \\
  | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')}
if [ "$network" = lo ]; then  # the first node reaches itself without it
  network=$(ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)
fi
export GLOO_SOCKET_IFNAME=$network NCCL_SOCKET_IFNAME=$network
export MOAI_TUI_RUNS=${MOAI_TUI_RUNS:-$SLURM_SUBMIT_DIR/moai-tui-runs}
"""


def slurm_script(config: RunConfig, devices_per_node: int) -> str:
    """Return the script of a run.

    Args:
        config: `size` decides how many devices there are; `time_limit`, how long.
        devices_per_node: Of the cluster, at least 1.

    Raises:
        ConfigError: If the size is not named, or does not fill its nodes.
    """
    devices = _devices_of(config)
    nodes, left_over = divmod(devices, devices_per_node)
    if not nodes:
        nodes, devices_per_node, left_over = 1, devices, 0
    if left_over:
        problem = f"{devices} devices do not fill nodes of {devices_per_node}"
        raise ConfigError("size", config.size, "name a size that does, or --gpus-per-node", problem)
    tasks = devices_per_node if nodes > 1 else 1
    seconds = parse_time_limit(config.time_limit) if config.time_limit else DAY_SECONDS
    job = re.sub(r"[^A-Za-z0-9._-]", "-", config.name or "moai-tui")
    # The size is what Slurm gives the job, and a name may be used once only.
    kept = msgspec.structs.replace(config, time_limit=None, name=None)
    return (
        "#!/bin/bash\n"
        f"#SBATCH --job-name={job}\n"
        f"#SBATCH --nodes={nodes}\n"
        f"#SBATCH --ntasks-per-node={tasks}\n"
        f"#SBATCH --gpus-per-node={devices_per_node}\n"
        f"#SBATCH --time={_clock(seconds)}\n"
        f"#SBATCH --signal=USR1@{SAVE_SECONDS}\n"
        "#SBATCH --requeue\n"
        "#SBATCH --open-mode=append\n"
        f"# {SUBMIT}\n"
        "set -eu\n"
        'config="$SLURM_SUBMIT_DIR/moai-tui-$SLURM_JOB_ID.yaml"\n'
        f"cat > \"$config\" <<'{END}'\n{dump_config(kept)}{END}\n"
        f"{_SEVERAL_NODES if nodes > 1 else ''}"
        'srun --kill-on-bad-exit=1 moai-tui train "$config" --foreground\n'
    )


def _devices_of(config: RunConfig) -> int:
    name = (config.size or "").strip()
    devices = DEVICES_BY_NAME.get(re.sub(r"\.\d+GB$", "", name, flags=re.IGNORECASE).lower())
    if devices is None:
        fix = f"add --size, one of {', '.join(DEVICES_BY_NAME)}"
        raise ConfigError("size", config.size, fix, "a Slurm script needs the size by name")
    return devices


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"
