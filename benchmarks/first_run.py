"""One run through the real command, its figures as a Markdown section.

Usage: python benchmarks/first_run.py [RESULT.md] [-- FLAGS OF train]

Default: Cerebras-GPT 111M from fresh weights, 100 steps on `python-stdlib`. `tokens/s` and MFU
are means over whole steps, the first apart; the time to the first step counts from the command.
"""

from __future__ import annotations

import datetime
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FLAGS = ["--model", "cerebras-gpt-111m", "--from-scratch", "--steps", "100"]


def events_of(flags: list[str]) -> tuple[list[dict[str, Any]], float, float]:
    """Run the command; return its events, seconds to the first step event and in all."""
    command = [sys.executable, "-m", "moai_tui", "train", *flags, "--foreground", "--json"]
    began, first = time.monotonic(), float("nan")
    events = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            event = json.loads(line)
            events.append(event)
            if event.get("type") == "step" and math.isnan(first):
                first = time.monotonic() - began
    if run.returncode:
        raise SystemExit(f"the run ended with {run.returncode}")
    return events, first, time.monotonic() - began


def section(flags: list[str]) -> str:
    """Return one Markdown section about one run."""
    events, first, seconds = events_of(flags)
    started = next(event for event in events if event.get("type") == "run_started")
    steps = [event for event in events if event.get("type") == "step"][1:]
    evals = [event for event in events if event.get("type") == "eval"]
    duration = sum(step["step_seconds"] for step in steps)
    speed = sum(step["tokens"] for step in steps) / duration
    padded = sum(step["padded_tokens"] for step in steps) / duration
    mfu = [step["mfu"] for step in steps if step["mfu"] is not None]
    peak = max(step["peak_memory_bytes"] or 0 for step in steps)
    median = sorted(step["step_seconds"] for step in steps)[len(steps) // 2]
    rows = {
        "device": ", ".join(started["devices"]),
        "plan": started["plan"],
        "chosen": "; ".join(started["choices"]),
        "tokens/s (padding not counted)": f"{speed:,.0f}",
        "padded tokens/s": f"{padded:,.0f}",
        "median step": f"{median * 1000:.1f} ms",
        "MFU (against the bf16 peak)": f"{sum(mfu) / len(mfu):.1%}" if mfu else "–",
        "peak memory": f"{peak / 2**30:.2f} GiB reserved",
        "time to the first step": f"{first:.1f} s from the command",
        "whole command": f"{seconds:.1f} s",
        "eval loss": f"{evals[0]['eval_loss']:.4f} → {evals[-1]['eval_loss']:.4f}",
        "versions": ", ".join(f"{name} {version}" for name, version in started["versions"].items()),
    }
    lines = [f"## `moai-tui train {' '.join(flags)}`", "", "| what | figure |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([*lines, f"\nTaken {datetime.date.today().isoformat()}, one run.\n"])


def main() -> None:
    """Print the section; add it to the file named, if any."""
    arguments = sys.argv[1:]
    flags = FLAGS
    if "--" in arguments:
        flags = arguments[arguments.index("--") + 1 :]
        arguments = arguments[: arguments.index("--")]
    text = section(flags)
    print(text)
    if arguments:
        path = Path(arguments[0])
        before = path.read_text(encoding="utf-8") if path.exists() else "# First runs\n\n"
        path.write_text(before + text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
