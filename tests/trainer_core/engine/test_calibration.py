"""A device says how fast it is; how fast is the machine's own affair."""

from __future__ import annotations

import json

import torch

from trainer_core.engine import calibration


def test_a_processor_measures_itself(monkeypatch, capsys):
    monkeypatch.setattr(calibration, "SIDES", {"cpu": 32, "cuda": 32})
    monkeypatch.setattr(calibration, "COPIED_BYTES", {"cpu": 1 << 12, "cuda": 1 << 12})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.get_num_threads()
    try:
        assert calibration.main(1, None) == 0
    finally:
        torch.set_num_threads(before)
    rates = json.loads(capsys.readouterr().out)
    assert rates.keys() == {"fp32_flops", "memory_bandwidth"}
    assert all(rate > 0 for rate in rates.values())
