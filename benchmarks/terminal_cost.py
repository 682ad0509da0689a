"""What the dashboard costs a terminal, beside the Textual floor (one DataTable) in the same minute.

Usage: python benchmarks/terminal_cost.py [REPEATS] [--live] [--slow] [--peers]. Prints a table of
medians; asserts nothing: what does not depend on the machine's mood is in
`tests/test_terminal_cost.py`. `--peers` measures those of PEERS that are on the PATH beside it.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import pyte  # noqa: E402
from pty_probe import KEYBOARD, Probe, SlowLine, environment  # noqa: E402 - the line above finds it

FLOOR = """
from textual.app import App
from textual.widgets import DataTable

class Table(App):
    BINDINGS = [("q", "quit", "Quit")]

    def compose(self):
        yield DataTable(cursor_type="row")

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("Device", "Name", "Model", "Memory")
        table.add_rows([(str(n), "MoAI Accelerator", "Small.24GB", "-") for n in range(30)])

Table().run()
"""
PROGRAMS = {
    "floor": ([sys.executable, "-c", FLOOR], ["29"]),
    "moai-tui": ([sys.executable, "-m", "moai_tui"], ["Small.", "No runs yet", "commands"]),
}
"""Command, and texts that stand on its finished screen."""

PEERS = {
    "btop": (["btop", "--utf-force"], ["down", "up"]),
    "htop": (["htop"], ["down", "up"]),
    "toolong": (["tl", "{log}"], ["up", "down"]),
    "nvitop": (["nvitop"], ["down", "up"]),
}
"""Command and cursor keys; `{log}` is a file that grows by five lines a second."""

REST_SECONDS = 10.0
KEYS = 20
STORM = 15
LIVE_SECONDS = 20.0
WRITTEN: list[tuple[float, str]] = []
"""When each loss was in the file of the run, and how it is shown."""
SLOW_SECONDS = 60.0
SLOW_BYTES, SLOW_DELAY = 2000.0, 0.5
"""What a slow line carries a second, and how late the answers of its terminal come."""


def started(program: str, home: Path, **more: str) -> Probe:
    """Start a program with folders of its own."""
    root = str(Path(__file__).parents[1])
    return Probe(PROGRAMS[program][0], environment(home, PYTHONPATH=root, **more))


def start_costs(program: str) -> dict[str, float]:
    """Measure one start, and leaving by `q`."""
    with tempfile.TemporaryDirectory() as home, started(program, Path(home)) as probe:
        if not probe.read_until_text(PROGRAMS[program][1]):
            raise SystemExit(f"{program} did not come up:\n" + "\n".join(probe.screen()))
        ready = time.perf_counter() - probe.started
        costs = {"ready ms": ready * 1e3, "CPU s": probe.cpu_seconds(), "bytes": probe.written}
        probe.settle()
        costs["RSS MiB"] = probe.resident_mib()
        costs["first frame ms"] = (probe.first_paint_seconds() or math.nan) * 1e3
        pressed = probe.send("q")
        costs["quit code"] = math.nan if (code := probe.wait()) is None else code
        costs["quit ms"] = (time.perf_counter() - pressed) * 1e3
        costs["modes left on"] = len(probe.modes_left_on())
    return costs


def rest_costs(program: str) -> dict[str, float]:
    """Measure ten seconds of nothing, cursor keys, and a storm of sizes."""
    with tempfile.TemporaryDirectory() as home, started(program, Path(home)) as probe:
        probe.read_until_text(PROGRAMS[program][1])
        probe.settle(1.5)
        costs = over(probe, REST_SECONDS, "rest")
        storm = random.Random(1)
        for _ in range(STORM):
            probe.resize((storm.randint(10, 220), storm.randint(3, 70)))
            probe.read(storm.random() * 0.06)
        before, last = probe.written, time.perf_counter()
        probe.resize((120, 40))
        probe.settle()
        costs["resize ms"] = (probe.chunks[-1][0] - last) * 1e3
        costs["resize bytes"] = probe.written - before
    return costs


def form_costs() -> dict[str, float]:
    """Measure Tab in the form."""
    with tempfile.TemporaryDirectory() as home, started("moai-tui", Path(home)) as probe:
        probe.read_until_text(PROGRAMS["moai-tui"][1])
        probe.send("n")
        probe.read_until_text(["fits"])
        probe.settle(1.5)
        return key_costs(probe, ["tab"], "Tab")


def key_costs(probe: Probe, keys: list[str], name: str) -> dict[str, float]:
    """Press keys one after the other; time to the first byte of the answer, and bytes a key."""
    times, before, cpu = [], probe.written, probe.cpu_seconds()
    for place in range(KEYS):
        count = len(probe.chunks)
        pressed = probe.send(keys[place % len(keys)])
        probe.read(2.0, lambda count=count: len(probe.chunks) > count)  # type: ignore[misc]
        if len(probe.chunks) > count:
            times.append(probe.chunks[count][0] - pressed)
        probe.read(0.15)
    times.sort()
    return {
        f"{name} p50 ms": times[len(times) // 2] * 1e3 if times else math.nan,
        f"{name} p95 ms": times[int(len(times) * 0.95)] * 1e3 if times else math.nan,
        f"{name} bytes": (probe.written - before) / KEYS,
        f"{name} CPU ms": (probe.cpu_seconds() - cpu) / KEYS * 1e3,
    }


def over(probe: Probe, seconds: float, name: str) -> dict[str, float]:
    """Measure what is written and worked while nobody types."""
    before, cpu = probe.written, probe.cpu_seconds()
    probe.read(seconds)
    return {
        f"{name} bytes/s": (probe.written - before) / seconds,
        f"{name} CPU %": (probe.cpu_seconds() - cpu) / seconds * 100,
    }


def signal_costs() -> dict[str, float]:
    """Measure TERM and HUP: exit code, time, and what is left on."""
    costs = {}
    for name in ("TERM", "HUP"):
        with tempfile.TemporaryDirectory() as home, started("moai-tui", Path(home)) as probe:
            probe.read_until_text(PROGRAMS["moai-tui"][1])
            sent = time.perf_counter()
            os.kill(probe.process.pid, getattr(signal, f"SIG{name}"))
            costs[f"{name} code"] = math.nan if (code := probe.wait()) is None else float(code)
            costs[f"{name} ms"] = (time.perf_counter() - sent) * 1e3
            costs[f"{name} modes left on"] = len(probe.modes_left_on())
    return costs


def peer_costs(name: str) -> dict[str, float]:
    """Measure a peer: its start, ten seconds untouched, and cursor keys."""
    command, keys = PEERS[name]
    with tempfile.TemporaryDirectory() as home:
        log, over_now = Path(home) / "grows.log", threading.Event()
        log.write_text("line\n" * 200)
        argv = [word.replace("{log}", str(log)) for word in command]

        def write() -> None:
            while not over_now.wait(0.2):
                with log.open("a") as file:
                    file.write(f"line {time.time()}\n")

        threading.Thread(target=write, daemon=True).start()
        with Probe(argv, environment(Path(home))) as probe:
            probe.read(3.0)
            first = probe.first_paint_seconds()
            costs = {"first frame ms": (first or math.nan) * 1e3, "bytes": float(probe.written)}
            costs |= {"CPU s": probe.cpu_seconds(), "RSS MiB": probe.resident_mib()}
            costs |= over(probe, REST_SECONDS, "rest") | key_costs(probe, keys, "key")
        over_now.set()
    return costs


def slow_costs() -> dict[str, float]:
    """Measure a live page after a minute on a slow line: what waits in it, and a key's echo."""
    with tempfile.TemporaryDirectory() as home, live_page(Path(home)) as probe:
        line = SlowLine(probe, SLOW_BYTES, SLOW_DELAY)
        line.carry(SLOW_SECONDS)
        costs = {"slow bytes/s": line.carried / SLOW_SECONDS, "slow bytes waiting": line.waiting()}
        before = len(line.seen)
        pressed = probe.send("?")
        arrived = line.carry(30.0, lambda: b"What works" in line.seen[before:])
        return costs | {"slow key s": arrived - pressed + SLOW_DELAY}


@contextmanager
def live_page(home: Path) -> Iterator[Probe]:
    """Open the page of a living run."""
    cards = home / "cards.json"
    os.environ |= {"MOAI_TUI_HOME": str(home / "state")}
    with training(cards) as run_id:
        with started("moai-tui", home, MOAI_TUI_SCRIPTED_DEVICES=str(cards)) as probe:
            probe.read_until_text(["running", "commands"])
            probe.send("enter")
            probe.read_until_text([run_id[-6:]], 5.0)
            probe.read(5.0)
            yield probe


def live_costs() -> dict[str, float]:
    """Measure the live page: 8 cards at 1 Hz, 2 steps and 5 log lines a second."""
    with tempfile.TemporaryDirectory() as home, live_page(Path(home)) as probe:
        begun = time.perf_counter()
        costs = over(probe, LIVE_SECONDS, "live") | shown_after(probe, begun)
        costs |= key_costs(probe, ["left", "right"], "value cursor")
        costs |= key_costs(probe, ["+", "-"], "zoom")
        probe.send("esc")
        probe.settle(0.3, 2.0)
        return costs | key_costs(probe, ["down", "up"], "home key")


def shown_after(probe: Probe, begun: float) -> dict[str, float]:
    """Return how long losses written since `begun` took to stand on the screen."""
    screen = pyte.Screen(*probe.size)
    stream = pyte.ByteStream(screen)
    late, left = [], [written for written in WRITTEN if written[0] > begun]
    last = probe.chunks[-1][0] if probe.chunks else begun
    for moment, data in probe.chunks:
        stream.feed(KEYBOARD.sub(b"", data))
        lines = "\n".join(screen.display)
        for written in [one for one in left if one[0] < moment and one[1] in lines]:
            late.append(moment - written[0])
            left = [one for one in left if one[0] > written[0]]  # older ones are overtaken
    lost = sum(1 for one in left if one[0] < last - 2)
    late.sort()
    return {
        "metric p50 ms": late[len(late) // 2] * 1e3 if late else math.nan,
        "metric p95 ms": late[int(len(late) * 0.95)] * 1e3 if late and not lost else math.nan,
    }


@contextmanager
def training(cards: Path) -> Iterator[str]:
    """A run that lives and writes as a training one does; yields its id."""
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.processes.identity import RunLock, own_identity
    from trainer_core.run.record.directory import create_run
    from trainer_core.run.record.event_log import EventWriter
    from trainer_core.run.record.events import StateChanged, Step

    create_run(RunConfig())  # a second line for the cursor
    time.sleep(1.1)  # runs of one second stand in any order, and the cursor begins on the newest
    directory = create_run(RunConfig())
    lock = RunLock(directory.lock_path)
    lock.acquire(own_identity(time.time()))
    supervisor = EventWriter(directory.supervisor_events_path, 1)
    supervisor.write(StateChanged(state="running"))
    rank, over_now, chance = (
        EventWriter(directory.events_path, 1),
        threading.Event(),
        random.Random(1),
    )

    def write() -> None:
        for beat in range(10**6):
            if beat % 10 == 0:
                write_cards(cards, chance)
            if beat % 5 == 0:
                loss = 4 / (1 + beat / 50) + chance.random() / 10
                step = Step(step=beat // 5 + 1, epoch=0.1, train_loss=loss, learning_rate=1e-3)
                rank.write(step)
                WRITTEN.append((time.perf_counter(), f"{loss:.4f}"))
            if beat % 2 == 0:
                with directory.rank_log_path(0).open("a") as log:
                    log.write(f"line {beat} {chance.random()}\n")
            if over_now.wait(0.1):
                return

    directory.rank_log_path(0).parent.mkdir(parents=True, exist_ok=True)
    write_cards(cards, chance)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield directory.id
    finally:
        over_now.set()
        writer.join()
        rank.close()
        supervisor.close()
        lock.release()


def write_cards(path: Path, chance: random.Random) -> None:
    """Eight cards whose figures move."""
    card: dict[str, Any] = {"total_memory_bytes": 80 * 2**30, "power_limit_watts": 700}
    devices = [
        card
        | {
            "uuid": f"GPU-{number}",
            "memory_used_bytes": chance.randrange(60, 64) * 2**30,
            "utilization_percent": chance.randrange(90, 100),
            "temperature_celsius": chance.randrange(60, 64),
            "power_watts": chance.randrange(600, 640),
        }
        for number in range(8)
    ]
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps({"devices": devices}))
    aside.rename(path)


def main() -> None:
    """Print one table."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    repeats = int(words[0]) if words else 3
    rows: dict[str, dict[str, list[float]]] = {"floor": {}, "moai-tui": {}}

    def take(program: str, costs: dict[str, float]) -> None:
        for name, value in costs.items():
            rows[program].setdefault(name, []).append(value)

    for _ in range(repeats):
        for program in PROGRAMS:  # round robin, so that both see the same weather
            take(program, start_costs(program))
    for program in PROGRAMS:
        take(program, rest_costs(program))
    for name in PEERS if "--peers" in sys.argv else ():
        if shutil.which(PEERS[name][0][0]):
            rows[name] = {key: [value] for key, value in peer_costs(name).items()}
    take("moai-tui", form_costs() | signal_costs())
    if "--live" in sys.argv:
        take("moai-tui", live_costs())
    if "--slow" in sys.argv:
        take("moai-tui", slow_costs())
    print(f"{'':22}{'floor':>12}{'moai-tui':>12}   median of {repeats} starts")
    for name, values in rows["moai-tui"].items():
        floor = rows["floor"].get(name)
        shown = f"{statistics.median(floor):12.1f}" if floor else " " * 12
        digits = 2 if name == "CPU s" else 1
        print(f"{name:22}{shown}{statistics.median(values):12.{digits}f}")
    for peer in rows.keys() - PROGRAMS.keys():
        words = (f"{name} {values[0]:.1f}" for name, values in rows[peer].items())
        print(f"{peer}: {', '.join(words)}")


if __name__ == "__main__":
    main()
