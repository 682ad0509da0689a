"""Has torch and the engine imported once and forks a child for each attempt of a run's rank.

Reads one JSON object a line: `{"folder": FOLDER, "attempt": 2}`; answers with the child's exit
code when it has trained to the end.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def attempt(order: dict[str, object]) -> int:
    """Be rank 0 of one, as the supervisor would have started it."""
    folder = Path(str(order["folder"]))
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MOAI_TUI_RUN": folder.name,
        "MOAI_TUI_ATTEMPT": str(order["attempt"]),
        "MOAI_TUI_RENDEZVOUS": str(folder / f"rendezvous-{order['attempt']}"),
    }
    log = os.open(folder / "logs" / "rank-0.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from trainer_core.engine.rank import main as rank_main

    return rank_main(folder)


def main() -> None:
    """Serve until the input ends."""
    from trainer_core.engine.rank import prepare_process

    prepare_process()
    import torch

    import trainer_core.engine.setup
    import trainer_core.engine.trainer  # noqa: F401 - imported for the children

    torch.set_num_threads(1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                code = attempt(json.loads(line))
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
