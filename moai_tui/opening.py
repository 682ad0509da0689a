"""Opening the dashboard: the first picture at once, then everything else."""

from __future__ import annotations

import gc
import os
import sys

from moai_tui import terminal


def open_dashboard(run: str | None = None) -> int:
    """Open the dashboard, on a run where one is named.

    Args:
        run: Id of the run to open on.

    Returns:
        The exit code: 0, 2 without a terminal, 128 and the signal's number when one ended it.
    """
    if not terminal.is_usable():
        sys.stderr.write(
            "The dashboard needs a terminal; here `moai-tui smi`, `moai-tui runs` and "
            "`moai-tui train` say the same in lines.\n"
        )
        return 2
    terminal.write_first_frame(f"run {run}" if run else "accelerators and runs")
    os.environ.setdefault("TEXTUAL_FPS", "30")  # read by Textual while it is imported
    if os.environ.get("SSH_CONNECTION"):
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    try:
        gc.disable()  # nothing made by imports is garbage: 0.02 s of CPU less
        from moai_tui.app import main

        return main(run)
    except BaseException:
        terminal.leave()
        raise
