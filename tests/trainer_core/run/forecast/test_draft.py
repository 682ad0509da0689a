from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.plan.machines import load_machine
from trainer_core.plan.types import Hardware
from trainer_core.run.config.config_file import load_config, override
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.forecast.draft import TIME_ESTIMATED, TIME_UNKNOWN, verdict_for

GIB = 2**30


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def processor() -> tuple[DeviceSnapshot, ...]:
    return tuple(
        DeviceSnapshot(
            uuid=f"cpu-{part}",
            index=part,
            kind="cpu",
            name="CPU",
            total_memory_bytes=4 * GIB,
            memory_used_bytes=GIB,
            cores=(part,),
        )
        for part in range(2)
    )


def test_the_default_draft_is_ready_to_start(processor: tuple[DeviceSnapshot, ...]) -> None:
    draft = verdict_for(RunConfig(), processor)
    assert draft.problems == ()
    assert draft.verdict is not None
    assert draft.verdict.choice is not None
    assert draft.verdict.choice.verdict == "fits"
    assert draft.config.sequence_length == 256
    assert draft.ready.micro_batch_size is not None
    assert draft.ready.precision == "fp32"
    assert any(choice.startswith("learning_rate ") for choice in draft.choices)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        (
            {"model": "tinny"},
            "model",
            "model: unknown model 'tinny'; the nearest known id is tiny",
        ),
        ({"steps": "0"}, "steps", "steps: 0 cannot be used; use 1 or more"),
        (
            {"sequence_length": "4096"},
            "sequence_length",
            "sequence_length: 4096 is longer than the model's context; use 1024 or less",
        ),
        (
            {"size": "Small.80GB"},
            "size",
            "size: 'Small.80GB' cannot be used; here this size is called Small.4GB",
        ),
        (
            {"size": "Medium", "parallel.tensor": "4"},
            "parallel.tensor",
            "parallel.tensor: ranks come in groups of 4, which 2 devices do not fill; use 2",
        ),
        (
            {"size": "Medium", "global_batch_size": "3", "parallel.strategy": "ddp"},
            "global_batch_size",
            "global_batch_size: 3 cannot be shared by 2 devices; use 2 or 4",
        ),
    ],
)
def test_mistakes_are_told_beside_their_field(
    processor: tuple[DeviceSnapshot, ...], changes: dict[str, str], field: str, sentence: str
) -> None:
    draft = verdict_for(override(RunConfig(), changes), processor)
    assert draft.problems == ((field, sentence),)


def test_no_device_is_a_problem_too() -> None:
    draft = verdict_for(RunConfig(), ())
    assert draft.verdict is None
    assert draft.problems[0][0] == "devices"
    assert draft.ready == RunConfig()


def test_named_devices_are_the_ones_judged(processor: tuple[DeviceSnapshot, ...]) -> None:
    one = verdict_for(RunConfig(devices=("1",)), processor)
    assert one.hardware is not None
    assert one.hardware.devices == 1
    assert one.verdict is not None
    assert one.verdict.choice is not None
    assert one.verdict.choice.devices == 1


def test_a_hub_model_of_unknown_shape_has_no_verdict(
    processor: tuple[DeviceSnapshot, ...],
) -> None:
    draft = verdict_for(RunConfig(model="someone/something"), processor)
    assert (draft.verdict, draft.problems) == (None, ())


def test_counted_data_settles_the_steps(processor: tuple[DeviceSnapshot, ...]) -> None:
    config = RunConfig(model="cerebras-gpt-111m", sequence_length=256, global_batch_size=8)
    report = DataReport(
        source="x",
        format="text",
        prompt_format="text",
        columns=(),
        rows=100,
        tokens=200_000,
        sequences=800,
        sequence_length=256,
    )
    draft = verdict_for(config, processor, report)
    assert draft.config.steps == 100
    assert draft.config.optimizer.warmup_steps == 3


def test_before_that_the_time_is_estimated_and_said_so(
    processor: tuple[DeviceSnapshot, ...],
) -> None:
    draft = verdict_for(load_config("gpt-tutorial"), load_machine("8xh100"))
    assert draft.config.steps is None
    assert draft.verdict is not None
    assert TIME_ESTIMATED in draft.verdict.notes
    assert draft.verdict.choice is not None
    assert draft.verdict.choice.plan is not None
    assert draft.verdict.choice.plan.seconds
    unknown = verdict_for(RunConfig(dataset="someone/something"), processor)
    assert unknown.verdict is not None
    assert TIME_UNKNOWN in unknown.verdict.notes


def test_the_tutorial_fits_one_card_on_the_fast_path_or_with_adapters(
    h100s: Callable[[int], Hardware],
) -> None:
    tutorial = load_config("gpt-tutorial")
    fast = verdict_for(override(tutorial, {"numerics": "auto"}), h100s(1)).verdict
    assert fast is not None
    assert fast.choice is not None
    full = verdict_for(override(tutorial, {"numerics": "plain"}), h100s(1)).verdict
    assert full is not None
    assert full.choice is None
    lora = verdict_for(override(tutorial, {"method": "lora"}), h100s(1)).verdict
    assert lora is not None
    assert lora.choice is not None
    assert lora.choice.verdict == "fits"


def test_a_time_limit_that_comes_first_says_how_many_steps_fit(
    h100s: Callable[[int], Hardware],
) -> None:
    config = RunConfig(model="cerebras-gpt-1.3b", from_scratch=True, steps=100_000)
    limited = msgspec.structs.replace(config, time_limit="10m")
    verdict = verdict_for(limited, h100s(1)).verdict
    assert verdict is not None
    assert any("of 100,000 steps fit in the 10 min there are" in note for note in verdict.notes)
    whole = verdict_for(config, h100s(1)).verdict
    assert whole is not None
    assert not any("steps fit" in note for note in whole.notes)
