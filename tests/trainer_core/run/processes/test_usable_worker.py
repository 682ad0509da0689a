"""Cards that the worker's torch cannot use are refused; a yes is remembered, a no is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.worker_torch import TorchFacts
from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes import usable_worker
from trainer_core.run.processes.usable_worker import require_usable
from trainer_core.run.record.directory import create_run, run_directories
from trainer_core.run.supervision import launch as launch_module
from trainer_core.run.supervision.launch import launch, resume

CARD = DeviceSnapshot(
    index=1, uuid="GPU-1", kind="nvidia", name="NVIDIA H100", driver_version="550.54"
)
CPU = DeviceSnapshot(index=0, uuid="cpu-0", kind="cpu", name="CPU")
GOOD = TorchFacts(python="3.11.7", torch="2.13.0", cuda="12.8", device_count=1)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What torch was asked under, with an answer that is good."""
    seen: list[dict[str, str]] = []

    def probe(python: str | None, variables: dict[str, str]) -> TorchFacts:
        seen.append(variables)
        return GOOD

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(usable_worker, "probe", probe)
    return seen


def test_a_processor_needs_no_question(asked: list[dict[str, str]]) -> None:
    require_usable([CPU], None)
    assert asked == []


def test_a_yes_is_remembered_for_these_cards_and_this_driver(asked: list[dict[str, str]]) -> None:
    require_usable([CARD], None)
    require_usable([CARD], None)
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in asked] == ["GPU-1"]
    newer = DeviceSnapshot(
        index=1, uuid="GPU-1", kind="nvidia", name="NVIDIA H100", driver_version="560.0"
    )
    require_usable([newer], None)
    require_usable([CARD], "/opt/other/bin/python")
    assert len(asked) == 3


def test_a_no_is_asked_again(asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [TorchFacts(python="3.11.7", torch="2.13.0+cpu"), GOOD]
    monkeypatch.setattr(usable_worker, "probe", lambda *_: answers.pop(0))
    with pytest.raises(UserError) as caught:
        require_usable([CARD], None)
    text = str(caught.value)
    assert "2.13.0+cpu" in text
    assert "driver 550.54" in text
    require_usable([CARD], None)
    assert answers == []


def test_a_processor_build_of_torch_is_refused_before_a_folder_exists(
    run_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real torch of this environment under a scripted card: never the CPU in silence."""
    torch = pytest.importorskip("torch")
    if torch.version.cuda or torch.version.hip:
        pytest.skip("this torch is a build for cards")
    script = tmp_path / "devices.yaml"
    script.write_text(
        "devices:\n- {kind: nvidia, uuid: GPU-1, name: NVIDIA H100, driver_version: '550.54',"
        " total_memory_bytes: 85899345920}\n"
    )
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(script))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError) as caught:
        launch(RunConfig(steps=1))
    text = str(caught.value)
    assert torch.__version__ in text
    assert "550.54" in text
    assert "install a CUDA build" in text
    assert list(run_directories()) == []


@pytest.mark.parametrize("joined", [False, True])
def test_a_resume_asks_too_before_anything_starts(
    joined: bool, run_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own size and as one rank of another launcher."""

    def refuse(*_: object) -> None:
        raise UserError("no CUDA build")

    monkeypatch.setattr(launch_module, "require_usable", refuse)
    monkeypatch.setattr(launch_module, "start_run", lambda *_, **__: pytest.fail("it started"))
    if joined:
        monkeypatch.setenv("MOAI_TUI_JOINED", "1")
    with pytest.raises(UserError, match="no CUDA build"):
        resume(create_run(RunConfig(size="Small")))
