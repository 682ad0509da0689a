"""Turn the figures of the fault loops into the table of `docs/reliability.md`.

python tests/faults/report.py build/faults.jsonl [--write docs/reliability.md]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
APART = ("what", "seed", "date", "seconds")


def hardware() -> str:
    """Return the machine in a few words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def text_of(value: Any) -> str:
    """Return a figure as it reads in a table."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)


def table(lines: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown; of one loop run twice the later figures."""
    newest = {line["what"]: line for line in lines}
    rows = ["| loop | figures | seconds | seed | when |", "| --- | --- | --- | --- | --- |"]
    for what, line in newest.items():
        figures = "; ".join(
            f"{name.replace('_', ' ')}: {text_of(value)}"
            for name, value in line.items()
            if name not in APART and name != "kills_at"
        )
        rows.append(
            f"| {what} | {figures} | {line.get('seconds', '')} | {line['seed']} | {line['date']} |"
        )
    return "\n".join([f"Measured on {hardware()}.", "", *rows])


def main() -> None:
    """Print the table, or put it into a page between its marks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("figures", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    made = table([json.loads(line) for line in options.figures.read_text().splitlines()])
    if options.write is None:
        sys.stdout.write(made + "\n")
        return
    page = options.write.read_text()
    before, rest = page.split(BEGIN)
    options.write.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
