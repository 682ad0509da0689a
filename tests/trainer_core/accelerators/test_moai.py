"""Every published form of the platform's table is read; no text makes the reader raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer_core.accelerators.base import Framework
from trainer_core.accelerators.moai import MoaiSource, parse_table

FIXTURES = Path(__file__).parent / "fixtures" / "moreh_smi"
MIB = 2**20


def table(name: str):
    return parse_table((FIXTURES / f"{name}.txt").read_text())


def test_an_idle_device_has_a_model_and_no_figures() -> None:
    (device,) = table("idle_24_5").devices
    assert device.name == "MoAI Accelerator"
    assert device.model == "4xLarge.2048GB"
    assert device.current
    assert (device.memory_used_bytes, device.total_memory_bytes) == (None, None)
    assert device.utilization_percent is None
    assert device.processes == ()


def test_a_busy_device_under_the_header_flavor_with_a_clock_line() -> None:
    parsed = table("busy_flavor")
    (device,) = parsed.devices
    assert parsed.framework == Framework(current="24.5.0", latest="24.5.0")
    assert device.model == "4xLarge.2048GB"
    assert device.memory_used_bytes == 1806648 * MIB
    assert device.total_memory_bytes == 2096640 * MIB
    assert device.utilization_percent == 71
    (process,) = device.processes
    assert process.pid == 2219280
    assert process.job_id == "977780"
    assert process.command == "python tutorial/train_gpt.py"
    assert process.memory_used_bytes == 1806648 * MIB


def test_several_devices_one_of_them_current() -> None:
    parsed = table("several_devices")
    assert [(d.index, d.current, d.model) for d in parsed.devices] == [
        (0, False, "4xLarge.2048GB"),
        (1, True, "Medium.128GB"),
        (2, False, None),
    ]
    assert parsed.devices[1].utilization_percent == 0
    assert parsed.framework == Framework(current="23.9.0", latest="23.8.1")


def test_the_old_form_with_a_token_is_read_and_the_token_is_not_kept() -> None:
    parsed = table("token_22_7")
    (device,) = parsed.devices
    assert (device.index, device.model) == (13, "small.64gb")
    assert parsed.framework == Framework(current="22.7.0", latest="22.8.0")
    assert "ZXhhbXBsZSB0b2tlbiBzdHI=" not in repr(parsed)


def test_cells_that_overflow_their_columns_are_read_all_the_same() -> None:
    (device,) = table("one_device_22_10").devices
    assert device.index == 2026
    assert device.memory_used_bytes == 22240 * MIB
    assert device.processes[0].pid == 26515


def test_an_empty_current_version_is_unknown() -> None:
    assert table("no_current_version").framework == Framework(current=None, latest="24.5.0")


def test_the_successors_table_is_read() -> None:
    parsed = table("ap_smi")
    (device,) = parsed.devices
    assert (device.index, device.name, device.model) == (0, "1779", "flavor-default-8")
    assert device.memory_utilization_percent == 43
    assert device.utilization_percent == 100
    assert parsed.framework == Framework(current="25.5.3005", latest="25.5.3005")


def test_a_command_with_bars_keeps_its_memory() -> None:
    text = (FIXTURES / "busy_24_2.txt").read_text()
    text = text.replace("python tutorial/train_qwen.py", "sh -c 'a | b | c'")
    (process,) = parse_table(text).devices[0].processes
    assert process.command == "sh -c 'a | b | c'"
    assert process.memory_used_bytes == 853677 * MIB


def test_a_terminal_escape_in_a_command_is_made_visible() -> None:
    text = (FIXTURES / "busy_24_2.txt").read_text().replace("python", "\x1b[31mpython")
    assert "\x1b" not in (parse_table(text).devices[0].processes[0].command or "")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("853677 MiB", "99999999999999 MiB", "memory_used_bytes"),
        ("853677 MiB", "lots MiB", "memory_used_bytes"),
        ("2096640 MiB", "-5 MiB", "total_memory_bytes"),
        ("100 %", "900 %", "utilization_percent"),
        ("100 %", "NaN %", "utilization_percent"),
    ],
)
def test_absurd_figures_are_unknown(old: str, new: str, field: str) -> None:
    text = (FIXTURES / "busy_24_2.txt").read_text().replace(old, new)
    assert getattr(parse_table(text).devices[0], field) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "moreh::InvalidToken",
        "Usage: moreh-smi [-r] [-glx_reset]\n",
        "|  Device  |\n|  0  |\n",
        "| Device | Name | Model |\n" + "| " + "9" * 5000 + " | a | b |\n",
        "\x00|||\n||||",
    ],
)
def test_what_is_no_table_gives_no_devices(text: str) -> None:
    assert parse_table(text).devices == ()


HEADERS = ("Device", "#", "Name", "Model", "PID", "Memory Usage", "Current Version:", "Processes:")
CELLS = ("|", "+--+", "* 0", "1", "-", "\n", "12 MiB", "71%", "24.5", "²", "९", "\x1b[2J", " ")
PIECES = st.sampled_from((*HEADERS, *CELLS))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    assert len(parse_table(text).devices) <= text.count("\n") + text.count("\x1c") + len(text) + 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damaged_table_makes_the_reader_raise(data) -> None:
    text = (FIXTURES / "busy_flavor.txt").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=20)) + text[end:]
    for device in parse_table(damaged).devices:
        assert device.utilization_percent is None or 0 <= device.utilization_percent <= 100


def source(tmp_path: Path, **outputs: str) -> tuple[MoaiSource, list[str]]:
    called: list[str] = []

    def run(tool: str) -> str | None:
        called.append(tool)
        return outputs.get(tool.replace("-", "_"))

    return MoaiSource(run=run, tenstorrent=tmp_path / "none"), called


def test_the_tool_is_called_once_and_gives_devices_and_versions(tmp_path: Path) -> None:
    moai, called = source(tmp_path, moreh_smi=(FIXTURES / "idle_24_5.txt").read_text())
    assert [device.model for device in moai.read()] == ["4xLarge.2048GB"]
    assert called == ["moreh-smi"]
    assert moai.framework == Framework(current="24.5.0", latest="24.5.0")
    assert moai.why_absent() is None


def test_without_the_platform_the_reason_is_said(tmp_path: Path) -> None:
    moai, called = source(tmp_path)
    assert moai.read() == ()
    assert called == ["moreh-smi", "ap-smi"]
    assert moai.why_absent() == "MoAI: no platform here (moreh-smi not found)"
    broken, _ = source(tmp_path, moreh_smi="moreh::InvalidToken")
    assert broken.read() == ()
    assert "printed no table" in (broken.why_absent() or "")


def test_another_vendors_tool_of_the_same_name_is_never_called(tmp_path: Path) -> None:
    moai, called = source(tmp_path, moreh_smi=(FIXTURES / "idle_24_5.txt").read_text())
    moai.tenstorrent = tmp_path
    assert moai.read() == ()
    assert called == []
    assert "Tenstorrent" in (moai.why_absent() or "")


def test_a_real_program_is_run_without_arguments(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "moreh-smi"
    tool.write_text(f'#!/bin/sh\n[ $# -eq 0 ] && cat "{FIXTURES / "busy_24_2.txt"}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (device,) = MoaiSource(tenstorrent=tmp_path / "none").read()
    assert device.utilization_percent == 100
