"""The platform's tables, to the character, against its published output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.accelerators.base import DeviceProcess, Size
from trainer_core.accelerators.moai import parse_table
from trainer_core.accelerators.occupancy import AcceleratorRow, accelerator_rows
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import sizes_for
from trainer_core.accelerators.smi import render, render_devices, render_models

FIXTURES = Path(__file__).parent / "fixtures" / "moreh_smi"
MIB = 2**20


def row(model: str = "Small.64GB", index: int = 0, **fields: object) -> AcceleratorRow:
    values = {"index": index, "current": index == 0, "name": "MoAI Accelerator", "model": model}
    return AcceleratorRow(**{**values, **fields})


@pytest.mark.parametrize("name", ["idle_24_5", "busy_24_2"])
def test_the_platforms_own_table_comes_back_to_the_character(name: str) -> None:
    text = (FIXTURES / f"{name}.txt").read_text()
    parsed = parse_table(text)
    rows = accelerator_rows(AcceleratorPool.load(parsed.devices))
    version = parsed.framework.current or ""
    assert render(rows, version, version) + "\n" == text


def test_several_devices_come_back_to_the_character() -> None:
    text = (FIXTURES / "several_devices.txt").read_text()
    rows = accelerator_rows(AcceleratorPool.load(parse_table(text).devices))
    assert render(rows, "23.9.0", "23.8.1") + "\n" == text.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("model", "header"),
    [
        ("Small.64GB", "|     Model    |"),
        ("Large.256GB", "|      Model    |"),
        ("xLarge.512GB", "|      Model     |"),
        ("4xLarge.2048GB", "|       Model      |"),
    ],
)
def test_the_model_column_grows_with_the_longest_name(model: str, header: str) -> None:
    lines = render([row("Small.64GB", 1), row(model)], "24.5.0", "24.5.0").splitlines()
    assert header in lines[3]
    assert {len(line) for line in lines} == {89 + len(model)}


def test_every_size_keeps_the_width_of_89_and_its_name() -> None:
    for size in sizes_for(80):
        lines = render([row(size.label)], "0.1.0", "0.1.0").splitlines()
        assert {len(line) for line in lines} == {89 + len(size.label)}, size.label


def test_the_version_stands_at_the_right() -> None:
    line = render([row()], "24.2.0", "24.5.0").splitlines()[1]
    assert line.endswith("  Current Version: 24.2.0  Latest Version: 24.5.0  |")


def test_figures_show_only_while_the_row_is_held() -> None:
    figures = {
        "memory_used_bytes": 56 * MIB,
        "total_memory_bytes": 131040 * MIB,
        "utilization_percent": 0.0,
    }
    held = render([row(held=True, **figures)], "1", "1").splitlines()[5]
    assert held.endswith("|  56 MiB        |  131040 MiB    |    0 %        |")
    idle = render([row(**figures)], "1", "1").splitlines()[5]
    assert idle.endswith("|  -             |  -             |  -            |")


def test_an_unknown_figure_of_a_held_row_is_a_dash() -> None:
    line = render([row(held=True, utilization_percent=62.4)], "1", "1").splitlines()[5]
    assert line.endswith("|  -             |  -             |   62 %        |")


@pytest.mark.parametrize(
    ("command", "header"),
    [
        ("python tutorial/train_gpt.py", "|             Process            |"),
        ("python tutorial/train_qwen.py", "|             Process             |"),
        ("python tutorial/train_mistral.py", "|               Process              |"),
        ("python", "|  Process  |"),
    ],
)
def test_the_process_column_grows_with_the_longest_command(card, command, header) -> None:
    process = DeviceProcess(pid=2219280, job_id="977780", command=command)
    lines = render([row(held=True, devices=(card(processes=(process,)),))], "1", "1").splitlines()
    table = lines[lines.index("Processes:") + 1 :]
    assert lines[lines.index("Processes:") - 1] == ""
    assert header in table[1]
    assert table[1].startswith("|  Device  |  Job ID  |    PID    |")
    assert table[3].startswith(f"|       0  |  977780  |  2219280  |  {command}")
    assert table[3].endswith("|  -             |")
    assert len({len(line) for line in table}) == 1


def test_a_run_id_and_a_long_hostile_command_keep_the_table_straight(card) -> None:
    process = DeviceProcess(
        pid=7, run_id="20261124-120000-abcdef", command="python \x1b]0;x\x07" + "a" * 500
    )
    text = render([row(held=True, devices=(card(processes=(process,)),))], "1", "1")
    assert "\x1b" not in text
    assert "|  20261124-120000-abcdef  |" in text
    table = text.split("Processes:\n")[1].splitlines()
    assert len({len(line) for line in table}) == 1
    assert len(table[0]) < 140


def test_nothing_runs_no_process_table() -> None:
    assert "Processes" not in render([row(held=True)], "1", "1")


def test_physical_devices_in_the_platforms_form(card) -> None:
    device = card(
        location="back01:0",
        temperature_celsius=36.0,
        memory_temperature_celsius=43.0,
        utilization_percent=35.0,
        memory_utilization_percent=0.0,
        memory_used_bytes=1,
        total_memory_bytes=100,
    )
    assert render_devices([device]).splitlines() == [
        "+--------------------------------------------------------------------------------------+",
        "|  Dev  |  Location  |  Dev Temp  |  Mem Temp  |  Dev Util  |  Mem Util  |  Mem Usage  |",
        "+======================================================================================+",
        "|    0  |  back01:0  |    36 C    |    43 C    |    35 %    |     0 %    |     1 %     |",
        "+--------------------------------------------------------------------------------------+",
    ]


def test_unknown_physical_figures_are_dashes_never_zero(card) -> None:
    device = card(
        memory_used_bytes=None,
        total_memory_bytes=None,
        utilization_percent=None,
        location="0000:3b:00.0",
    )
    lines = render_devices([device]).splitlines()
    dashes = "|     -      " * 5
    assert lines[3].endswith(f"{dashes} |")
    assert f"{os.uname().nodename[:20]}:0 " in lines[3], "a PCI address is shown as node and slot"
    assert len({len(line) for line in lines}) == 1


def test_the_short_table_is_53_wide_with_the_platforms_longest_everyday_name() -> None:
    lines = render_models([row("2xLarge.1024GB"), row("Large.256GB", 1)]).splitlines()
    assert lines == [
        "+---------------------------------------------------+",
        "|  Device  |        Name         |       Model      |",
        "+===================================================+",
        "|  * 0     |   MoAI Accelerator  |  2xLarge.1024GB  |",
        "|    1     |   MoAI Accelerator  |  Large.256GB     |",
        "+---------------------------------------------------+",
    ]
    assert Size(devices=4, device_memory_gb=64).label == "Large.256GB"
