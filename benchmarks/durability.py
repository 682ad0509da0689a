"""What durability costs a step, and how fast one attaches to a run of a million steps.

    python benchmarks/durability.py [--steps 1000000] [--json]

The first part does, beside steps of 100 ms, what a rank does for each of them so that nothing is
lost: one event with the numbers of the step, a heartbeat, a look for requests; flushing to disk
goes on in its own thread, as in a run. The second attaches to a log of a million steps in fresh
processes, without its index and with it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trainer_core.run.processes.heartbeat import Heartbeat
from trainer_core.run.record.control import read_requests
from trainer_core.run.record.event_log import EventWriter, encode_event
from trainer_core.run.record.events import Eval, StateChanged, Step
from trainer_core.run.record.history import RunHistory

STEP_SECONDS = 0.1
SHARE_STEPS = 300
MILLION = 1_000_000


def step_event(step: int, seq: int = 0) -> Step:
    """Return a step with every number that a run on one card tells."""
    return Step(
        seq=seq,
        time=1.76e9 + step / 10,
        mono=step / 10,
        step=step,
        epoch=step / 1000,
        train_loss=3 + 5 * math.exp(-step / 50_000) + step % 97 / 400,
        learning_rate=1e-4,
        grad_norm=step % 89 / 90,
        tokens=4096,
        padded_tokens=4096,
        counted_tokens=4000,
        step_seconds=0.1,
        data_seconds=0.001,
        tokens_per_second=40_960.0 + step % 7,
        padded_tokens_per_second=40_960.0,
        mfu=0.41,
        peak_memory_bytes=2**30,
    )


def share_of_a_step(folder: Path) -> dict[str, float]:
    """Return the mean and the 99th percentile of what one step pays, as shares of 100 ms."""
    for name in ("control", "heartbeat"):
        (folder / name).mkdir(exist_ok=True)
    writer, beat = EventWriter(folder / "events.jsonl", attempt=1), Heartbeat(folder, 0)
    spent = []
    for step in range(1, SHARE_STEPS + 1):
        begin = time.perf_counter()
        read_requests(folder)
        beat.beat("training", step=step)
        writer.write(step_event(step))
        spent.append(time.perf_counter() - begin)
        time.sleep(max(0.0, STEP_SECONDS - spent[-1]))
    writer.close()
    spent.sort()
    return {
        "mean_percent": 100 * sum(spent) / len(spent) / STEP_SECONDS,
        "p99_percent": 100 * spent[int(0.99 * len(spent))] / STEP_SECONDS,
    }


def write_long_log(folder: Path, steps: int) -> int:
    """Write the files of a run of so many steps, an eval each 10,000; returns their bytes."""
    seq = 0
    with (folder / "events.jsonl").open("wb") as file:
        for step in range(1, steps + 1):
            seq += 1
            file.write(encode_event(step_event(step, seq)) + b"\n")
            if step % 10_000 == 0:
                seq += 1
                seen = Eval(
                    seq=seq, time=1.76e9 + step / 10, step=step, eval_loss=3.0, eval_tokens=9
                )
                file.write(encode_event(seen) + b"\n")
    started = encode_event(StateChanged(seq=1, time=1.76e9, state="running"))
    (folder / "supervisor.jsonl").write_bytes(started + b"\n")
    return (folder / "events.jsonl").stat().st_size


def attach(folder: Path) -> dict[str, float]:
    """Attach in this process; returns seconds and peak memory in MiB."""
    begin, busy = time.perf_counter(), time.process_time()
    history = RunHistory(folder)
    history.catch_up()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - busy
    history.save_index()
    assert history.view.step is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mib": peak,
        "step": history.view.step.step,
    }


def attach_afresh(folder: Path) -> dict[str, Any]:
    """Attach in a process of its own."""
    command = [sys.executable, __file__, "--attach", str(folder)]
    answer = subprocess.run(command, capture_output=True, check=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=MILLION)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--attach", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attach:
        print(json.dumps(attach(options.attach)))
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "share").mkdir()
        found: dict[str, Any] = {"host": platform.processor() or platform.machine()}
        found["share_of_100_ms"] = share_of_a_step(folder / "share")
        found["log_mib"] = write_long_log(folder, options.steps) / 2**20
        found["attach_without_index"] = attach_afresh(folder)
        found["attach_with_index"] = attach_afresh(folder)
    if options.json:
        print(json.dumps(found))
        return
    share = found["share_of_100_ms"]
    print(
        f"one step of 100 ms pays {share['mean_percent']:.2f} % (p99 {share['p99_percent']:.2f} %)"
    )
    print(f"a log of {options.steps:,} steps, {found['log_mib']:.0f} MiB:")
    for how in ("attach_without_index", "attach_with_index"):
        seen = found[how]
        took = f"{seen['seconds']:.2f} s ({seen['cpu_seconds']:.2f} s of CPU)"
        print(f"  {how.replace('_', ' ')}: {took}, {seen['peak_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
