"""`auto` never picks bf16 on a CPU, and only picks what a card has."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.precision import choose_numerics
from trainer_core.errors import ConfigError

CPU, CARD = torch.device("cpu"), torch.device("cuda")


def test_auto_on_a_cpu_is_fp32_without_autocast():
    numerics = choose_numerics("auto", CPU)
    assert numerics.word == "fp32"
    assert numerics.frozen == torch.float32
    with numerics.autocast():
        assert not torch.is_autocast_enabled("cpu")


def test_bf16_on_a_cpu_is_only_used_when_asked_for():
    numerics = choose_numerics("bf16", CPU)
    assert numerics.word == "bf16"
    with numerics.autocast():
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(("has_it", "word"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_card_takes_what_it_has(has_it, word, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_it)
    assert choose_numerics("auto", CARD).word == word


def test_bf16_on_a_card_without_it_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    with pytest.raises(ConfigError, match="no bf16 units"):
        choose_numerics("bf16", CARD)
    assert choose_numerics("fp32", CARD).word == "fp32"
