from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.run_events import run_started
from trainer_core.accelerators.inventory import read_devices
from trainer_core.plan.hardware import hardware_from
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.forecast import measured
from trainer_core.run.forecast.draft import verdict_for
from trainer_core.run.record.directory import RunDirectory, create_run, write_config
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import Step


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))


def _run(steps: int) -> tuple[RunDirectory, RunConfig]:
    """Make the folder of a run as its trainer would have left it."""
    draft = RunConfig(steps=steps, size="Small")
    config = verdict_for(draft, read_devices().devices).ready
    directory = create_run(config)
    writer = EventWriter(directory.events_path, 1)
    writer.write(run_started(total_steps=steps))
    tokens = (config.global_batch_size or 0) * (config.sequence_length or 0)
    for step in range(1, steps + 1):
        writer.write(
            Step(
                step=step,
                epoch=0.1,
                train_loss=1.0,
                learning_rate=1e-3,
                tokens=tokens,
                padded_tokens=tokens,
                # One step in which a rank was frozen.
                tokens_per_second=tokens / (60.0 if step == 5 else 2.0),
                step_seconds=60.0 if step == 5 else 2.0,
                peak_memory_bytes=700 << 20,
            )
        )
    writer.close()
    return directory, config


def test_the_next_prediction_is_what_the_last_run_measured() -> None:
    directory, config = _run(12)
    assert measured.remember(directory)
    verdict = verdict_for(RunConfig(steps=12, size="Small"), read_devices().devices).verdict
    assert verdict is not None
    assert verdict.choice is not None
    plan = verdict.choice.plan
    assert plan is not None
    assert plan.measured
    assert plan.memory.total == pytest.approx(700 << 20, rel=1e-6)
    tokens = (config.global_batch_size or 0) * (config.sequence_length or 0)
    assert plan.tokens_per_second == pytest.approx(tokens / 2.0)
    assert not any(note.startswith("computed only") for note in verdict.notes)


def test_another_driver_or_torch_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    directory, _ = _run(12)
    assert measured.remember(directory)
    hardware = hardware_from(read_devices().devices)
    assert hardware is not None
    assert measured.with_measured(hardware).measured
    monkeypatch.setattr("trainer_core.run.forecast.device_key.metadata.version", lambda name: "9.9")
    assert measured.with_measured(hardware).measured == ()


def test_a_run_without_steps_says_nothing() -> None:
    directory, _ = _run(0)
    assert not measured.remember(directory)


def test_few_steps_say_nothing_of_speed() -> None:
    directory, _ = _run(3)
    assert measured.remember(directory)
    hardware = hardware_from(read_devices().devices)
    assert hardware is not None
    (entry,) = measured.with_measured(hardware).measured
    assert entry.peak_memory_bytes == 700 << 20
    assert entry.tokens_per_second is None


def test_lines_of_another_version_are_passed_over() -> None:
    measured.measurements_path().parent.mkdir(parents=True, exist_ok=True)
    measured.measurements_path().write_text('{"v": 9}\nnonsense\n')
    directory, _ = _run(12)
    assert measured.remember(directory)
    assert len(measured.measurements_path().read_text().splitlines()) == 1


def test_a_run_that_was_never_planned_teaches_nothing() -> None:
    directory, config = _run(12)
    write_config(directory, msgspec.structs.replace(config, micro_batch_size=None))
    assert not measured.remember(directory)
