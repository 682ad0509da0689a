from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.plan.types import Hardware
from trainer_core.run.forecast import calibration
from trainer_core.run.forecast.calibration import (
    CARD_REACHED,
    Calibration,
    calibrate,
    read_calibration,
    with_calibration,
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))


def _says(monkeypatch: pytest.MonkeyPatch, out: str, error: str = "") -> None:
    done = subprocess.CompletedProcess([], 0, out, error)
    monkeypatch.setattr(calibration.subprocess, "run", lambda *_, **__: done)  # type: ignore[attr-defined]


RATES = '{"fp32_flops": 5e10, "memory_bandwidth": 8e9, "link_bandwidth": 1e9}'


def test_measured_rates_replace_the_vendors(
    monkeypatch: pytest.MonkeyPatch, laptop: Hardware
) -> None:
    _says(monkeypatch, f"a warning\n{RATES}\n")
    assert isinstance(calibrate(laptop), Calibration)
    after = with_calibration(laptop, "fp32")
    assert (after.matmul_flops, after.memory_bandwidth, after.link_bandwidth) == (5e10, 8e9, 1e9)


def test_a_cards_rate_is_taken_for_a_share_of_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Hardware(
        kind="nvidia", name="New Card", devices=1, memory_bytes=1 << 34, device_memory_gb=16
    )
    _says(monkeypatch, '{"fp32_flops": 2e13, "bf16_flops": 4e14, "memory_bandwidth": 1e12}')
    calibrate(card)
    assert with_calibration(card, "bf16").matmul_flops == pytest.approx(4e14 / CARD_REACHED)
    assert with_calibration(card, "fp32").matmul_flops == pytest.approx(2e13 / CARD_REACHED)


def test_another_driver_or_a_described_machine_knows_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, laptop: Hardware
) -> None:
    _says(monkeypatch, RATES)
    calibrate(laptop)
    assert read_calibration(replace(laptop, driver="580")) is None
    assert with_calibration(replace(laptop, described=True)).matmul_flops == laptop.matmul_flops


def test_an_interpreter_that_cannot_measure_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, laptop: Hardware
) -> None:
    _says(monkeypatch, "", "Traceback\nModuleNotFoundError: No module named 'torch'")
    with pytest.raises(UserError, match="No module named 'torch'"):
        calibrate(laptop)
    assert read_calibration(laptop) is None
