"""A card that torch cannot use is one sentence with both versions and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators import worker_torch
from trainer_core.accelerators.worker_torch import TorchFacts, probe, why_unusable

GOOD = {
    "python": "3.11.7",
    "torch": "2.13.0+cu126",
    "cuda": "12.6",
    "device_count": 1,
    "architectures": ("sm_80", "sm_90"),
    "capabilities": ((9, 0),),
}


@pytest.fixture
def h100(card):
    return [card(0, driver_version="550.54.15")]


@pytest.fixture
def mi300(card):
    return [card(0, kind="amd", name="AMD Instinct MI300X", driver_version="6.8.5")]


def test_what_fits_is_silent(h100, card) -> None:
    assert why_unusable(TorchFacts(**GOOD), h100, "12.4") is None
    cpu = TorchFacts(python="3.11.7", torch="2.13.0+cpu", error="no card")
    assert why_unusable(cpu, [card(kind="cpu")]) is None


def test_a_cpu_build_is_said_with_both_versions_and_the_way_out(h100) -> None:
    facts = TorchFacts(python="3.11.7", torch="2.13.0+cpu")
    assert why_unusable(facts, h100, "12.4") == (
        "The worker's torch 2.13.0+cpu is a build without CUDA and cannot use NVIDIA H100 80GB "
        "HBM3 with driver 550.54.15 (CUDA 12.4); install a CUDA build from "
        "https://pytorch.org/get-started/locally"
    )


def test_a_driver_older_than_the_wheels_cuda_is_said(h100) -> None:
    facts = TorchFacts(**{**GOOD, "torch": "2.13.0+cu130", "cuda": "13.0", "error": "too old"})
    assert why_unusable(facts, h100, "12.4") == (
        "The worker's torch 2.13.0+cu130 needs CUDA 13.0 and the driver 550.54.15 (CUDA 12.4) is "
        "older; update the driver, or install a torch for CUDA 12 from "
        "https://pytorch.org/get-started/locally"
    )


def test_within_one_major_version_an_older_driver_will_do(h100) -> None:
    assert why_unusable(TorchFacts(**{**GOOD, "cuda": "12.8"}), h100, "12.4") is None


def test_a_card_the_build_has_no_code_for_is_said(h100) -> None:
    facts = TorchFacts(**{**GOOD, "capabilities": ((12, 0),)})
    assert "has no code for generation sm_120" in (why_unusable(facts, h100, "12.8") or "")
    portable = TorchFacts(
        **{**GOOD, "capabilities": ((12, 0),), "architectures": ("sm_90", "compute_90")}
    )
    assert why_unusable(portable, h100, "12.8") is None


def test_a_closed_device_file_is_named_with_its_group(h100, tmp_path, monkeypatch) -> None:
    node = tmp_path / "nvidia0"
    node.write_text("")
    monkeypatch.setattr(worker_torch, "_numbered", lambda *_: (str(node),))
    monkeypatch.setattr(worker_torch.os, "access", lambda *_: False)
    facts = TorchFacts(**{**GOOD, "error": "no permission"})
    sentence = why_unusable(facts, h100, "12.6") or ""
    assert sentence.startswith(f"This user may not open {node}; ask the administrator")


def test_otherwise_torchs_own_words_are_passed_on_with_both_versions(h100) -> None:
    facts = TorchFacts(**{**GOOD, "error": "CUDA unknown error"})
    assert why_unusable(facts, h100, "12.6") == (
        "The worker's torch 2.13.0+cu126 (CUDA 12.6) cannot use NVIDIA H100 80GB HBM3 with driver "
        "550.54.15 (CUDA 12.6): CUDA unknown error"
    )


def test_amd_cards_need_a_rocm_build(mi300) -> None:
    sentence = why_unusable(TorchFacts(**GOOD), mi300) or ""
    assert "is a build for CUDA 12.6 and cannot use AMD Instinct MI300X" in sentence
    assert "driver 6.8.5; install a ROCm build" in sentence
    rocm = TorchFacts(python="3.12.1", torch="2.13.0+rocm7", hip="7.0")
    assert why_unusable(rocm, mi300) is None


def test_no_torch_and_an_old_python_are_said(card) -> None:
    cpu = [card(kind="cpu")]
    none = TorchFacts(python="3.11.7", missing="No module named 'torch'")
    assert "has no torch; install it with /p -m pip" in (why_unusable(none, cpu, None, "/p") or "")
    old = TorchFacts(python="3.8.10", torch="1.13.1")
    assert "is 3.8.10 and ours needs 3.11" in (why_unusable(old, cpu, None, "/p") or "")


def test_our_worker_does_not_train_on_a_moai_machine(card) -> None:
    sentence = why_unusable(TorchFacts(**GOOD), [card(kind="moai")]) or ""
    assert "platform's own torch" in sentence


def interpreter(tmp_path: Path, body: str) -> str:
    path = tmp_path / "python3.11"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    facts = '{"python": "3.12.0", "torch": "2.13.0", "capabilities": [[9, 0]], "new": 1}'
    found = probe(interpreter(tmp_path, f"echo noise; echo '{facts}'"))
    assert found == TorchFacts(python="3.12.0", torch="2.13.0", capabilities=((9, 0),))


def test_an_interpreter_that_cannot_answer_is_one_sentence(tmp_path: Path, card) -> None:
    missing = probe(str(tmp_path / "none"))
    assert "cannot be started" in str(missing)
    broken = probe(interpreter(tmp_path, "echo boom >&2; exit 1"))
    assert str(broken).endswith("could not load torch: boom")
    assert why_unusable(broken, [card(kind="cpu")]) == broken
