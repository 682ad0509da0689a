"""Opening the dashboard: the first picture at once, then everything else."""

from __future__ import annotations

import gc
import os
import sys
from importlib import util

from moai_tui import guardian, terminal
from trainer_core.errors import UserError


def open_dashboard(run: str | None = None) -> int:
    """Open the dashboard on a terminal that `terminal.is_usable` has found fit for it.

    Args:
        run: Id of the run to open on; None opens the first screen.

    Returns:
        The exit code: 0, or 128 and the signal's number when one ended it.

    Raises:
        UserError: Textual is not installed.
    """
    if util.find_spec("textual") is None:
        raise UserError("The dashboard needs Textual: pip install textual; the commands do not")
    terminal.write_first_frame(f"run {run}" if run else "accelerators and runs")
    os.environ.setdefault("TEXTUAL_FPS", "30")  # read by Textual while it is imported
    if os.environ.get("SSH_CONNECTION"):
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    guard = guardian.post()
    try:
        gc.disable()  # nothing made by imports is garbage: 0.02 s of CPU less
        _import_asyncio()
        return _run(run)
    except BaseException:
        terminal.leave()
        raise
    finally:
        if guard is not None:
            guard.dismiss()


def _import_asyncio() -> None:
    """Import asyncio as where Python has no OpenSSL: 10 ms of CPU and 5 MiB less.

    The dashboard opens no connection; who imports `ssl` later gets it.
    """
    known = sys.modules.get("ssl")
    sys.modules["ssl"] = None  # type: ignore[assignment]  # Python's way to say: not to be had
    try:
        import asyncio  # noqa: F401 - imported for what it does not import
    finally:
        del sys.modules["ssl"]
        if known is not None:
            sys.modules["ssl"] = known


def _run(run: str | None) -> int:
    from moai_tui.app import MoaiApp
    from moai_tui.live import Live
    from moai_tui.settings import export_settings, load_settings

    settings = load_settings()
    export_settings(settings)
    app = MoaiApp(live=Live(settings.refresh_seconds), run=run, settings=settings)
    gc.freeze()
    gc.enable()
    app.run()
    return app.return_code or 0
