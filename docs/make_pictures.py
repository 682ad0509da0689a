"""Take the pictures of README and docs from the real program on a real run.

Usage: python docs/make_pictures.py [docs/pictures]

Trains the embedded default in a scratch folder (about two minutes on two cores), opens the
dashboard on it and stores what it shows as SVG: the form, the run while it trains, its result,
the home screen. Nothing in a picture is drawn by hand, so it cannot lie.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SIZE = (120, 36)
PATIENCE_SECONDS = 600.0


async def take(folder: Path) -> None:
    """Drive the dashboard through the main job and store the pictures in `folder`."""
    from moai_tui.app import MoaiApp
    from moai_tui.live import Live
    from moai_tui.settings import load_settings

    settings = load_settings()
    live = Live(settings.refresh_seconds)
    app = MoaiApp(live=live, settings=settings)
    async with app.run_test(size=SIZE) as pilot:

        def store(name: str) -> None:
            (folder / f"{name}.svg").write_text(app.export_screenshot(title="moai-tui"))

        async def wait_for(ready: Callable[[], bool]) -> None:
            end = time.monotonic() + PATIENCE_SECONDS
            while not ready():
                if time.monotonic() > end:
                    raise TimeoutError("the dashboard did not get there")
                await pilot.pause(0.2)
            await pilot.pause(1.0)

        await wait_for(lambda: app.newest.accelerators is not None)
        await pilot.press("n")
        await wait_for(lambda: app.newest.plan is not None and app.newest.data is not None)
        store("form")
        await pilot.press("ctrl+s")
        await wait_for(lambda: app.newest.run is not None and _step(app) >= 60)
        store("training")
        await wait_for(lambda: app.newest.run is not None and app.newest.run.view.ended is not None)
        await pilot.pause(2.0)
        store("run")
        await pilot.press("escape")
        await wait_for(lambda: app.newest.runs is not None and bool(app.newest.runs.runs))
        store("home")


def _step(app: object) -> int:
    newest = app.newest.run  # type: ignore[attr-defined]
    return newest.view.step.step if newest.view.step is not None else 0


def main() -> None:
    """Take every picture into the folder named, `docs/pictures` by default."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="moai-pictures-") as scratch:
        for name in ("MOAI_TUI_HOME", "MOAI_TUI_LOCKS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = str(Path(scratch) / name.lower())
        os.chdir(scratch)
        try:
            asyncio.run(take(folder))
        finally:
            subprocess.run(
                [sys.executable, "-m", "moai_tui", "runs"], check=False, stdout=sys.stderr
            )


if __name__ == "__main__":
    main()
