"""Take the pictures of README and docs from the real program on a real run.

Usage: python docs/make_pictures.py [docs/pictures] [--card]

Trains the embedded default in a scratch folder (about two minutes on two cores), opens the
dashboard on it and stores what it shows as SVG: the form, the run while it trains, its result,
the home screen; then eight cards of a file, all of them and one. Nothing in a picture is drawn
by hand, so it cannot lie.

With `--card`, on a machine with a card: that machine at rest, a Cerebras-GPT 111M in training on
it, its devices meanwhile, and what `moai-tui smi` prints then.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.pilot import Pilot

SIZE, TALL, WIDE = (120, 36), (120, 50), (172, 24)
PATIENCE_SECONDS = 600.0
CARD_RUN = ("--model", "cerebras-gpt-111m", "--from-scratch", "--steps", "20000", "--detach")
CARD_STEPS = 300
CARD_TABLES = {"smi.txt": (), "smi_devices.txt": ("-p",), "smi.json": ("--json",)}
CARDS = Path(__file__).absolute().with_name("eight_cards.yaml")


class Camera:
    """An open dashboard and the folder its pictures go to."""

    def __init__(self, app: Any, pilot: Pilot[Any], folder: Path) -> None:
        self.app, self.pilot, self._folder = app, pilot, folder

    def store(self, name: str) -> None:
        """Store what the screen shows now."""
        picture = self.app.export_screenshot(title="moai-tui")
        (self._folder / f"{name}.svg").write_text(picture)

    async def wait_for(self, ready: Callable[[], bool]) -> None:
        """Let the dashboard go on until something holds, and a second more."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError("the dashboard did not get there")
            await self.pilot.pause(0.2)
        await self.pilot.pause(1.0)


@asynccontextmanager
async def opened(folder: Path, size: tuple[int, int] = SIZE) -> AsyncIterator[Camera]:
    """Open the real dashboard, its accelerators read."""
    from moai_tui.app import MoaiApp
    from moai_tui.live import Live
    from moai_tui.settings import load_settings

    settings = load_settings()
    app = MoaiApp(live=Live(settings.refresh_seconds), settings=settings)
    async with app.run_test(size=size) as pilot:
        camera = Camera(app, pilot, folder)
        await camera.wait_for(lambda: app.newest.accelerators is not None)
        yield camera


async def take(folder: Path) -> None:
    """Drive the dashboard through the main job, then show it eight cards."""
    async with opened(folder) as camera:
        newest, press = camera.app.newest, camera.pilot.press
        await press("n")
        await camera.wait_for(lambda: newest.plan is not None and newest.data is not None)
        camera.store("form")
        await press("ctrl+s")
        await camera.wait_for(lambda: newest.run is not None and _step(camera.app) >= 60)
        camera.store("training")
        await camera.wait_for(lambda: newest.run.view.ended is not None)
        await camera.pilot.pause(2.0)
        camera.store("run")
        await press("escape")
        await camera.wait_for(lambda: newest.runs is not None and bool(newest.runs.runs))
        camera.store("home")
    await take_cards(folder)


async def take_cards(folder: Path) -> None:
    """Show recorded and scripted cards: eight at home, one H100, one of the eight in full."""
    os.environ["MOAI_TUI_SCRIPTED_DEVICES"] = str(CARDS)
    async with opened(folder) as camera:
        await camera.pilot.pause(2.0)
        camera.store("cards")
    os.environ["MOAI_TUI_SCRIPTED_DEVICES"] = str(CARDS.with_name("h100.json"))
    async with opened(folder, WIDE) as camera:
        await camera.pilot.press("3")
        await camera.pilot.pause(5.0)
        camera.store("h100")
    os.environ["MOAI_TUI_SCRIPTED_DEVICES"] = str(CARDS)
    async with opened(folder, TALL) as camera:
        await camera.pilot.pause(65.0)
        await camera.pilot.press("3", "tab", *["down"] * 5)
        await camera.pilot.pause(2.0)
        camera.store("devices")


async def take_card(folder: Path, run: tuple[str, ...] = CARD_RUN, steps: int = CARD_STEPS) -> None:
    """Show this machine's own card at rest and in training, and keep what `smi` prints."""
    async with opened(folder) as camera:
        newest, press = camera.app.newest, camera.pilot.press
        camera.store("card_home")
        _keep_tables(folder, "idle")
        _command("train", *run)
        await camera.wait_for(lambda: newest.runs is not None and bool(newest.runs.runs))
        await press("enter")
        await camera.wait_for(lambda: newest.run is not None and _step(camera.app) >= steps)
        camera.store("card_training")
        await press("3")
        await camera.pilot.pause(3.0)
        camera.store("card_log")
        await press("escape", "3")
        await camera.pilot.pause(20.0)
        camera.store("card_devices")
        _keep_tables(folder, "busy")
        _command("stop", newest.runs.runs[0].id)


def _keep_tables(folder: Path, state: str) -> None:
    for name, arguments in CARD_TABLES.items():
        (folder / f"{state}_{name}").write_text(_command("smi", *arguments))


def _command(*arguments: str) -> str:
    called = [sys.executable, "-m", "moai_tui", *arguments]
    return subprocess.run(called, check=True, stdout=subprocess.PIPE, text=True).stdout


def _step(app: object) -> int:
    newest = app.newest.run  # type: ignore[attr-defined]
    return newest.view.step.step if newest.view.step is not None else 0


def main() -> None:
    """Take every picture into the folder named, `docs/pictures` by default."""
    words = [word for word in sys.argv[1:] if word != "--card"]
    folder = Path(words[0] if words else "docs/pictures").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="moai-pictures-") as scratch:
        for name in ("MOAI_TUI_HOME", "MOAI_TUI_LOCKS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = str(Path(scratch) / name.lower())
        os.environ.setdefault("COLORTERM", "truecolor")
        os.chdir(scratch)
        try:
            asyncio.run(take_card(folder) if "--card" in sys.argv else take(folder))
        finally:
            subprocess.run(
                [sys.executable, "-m", "moai_tui", "runs"], check=False, stdout=sys.stderr
            )


if __name__ == "__main__":
    main()
