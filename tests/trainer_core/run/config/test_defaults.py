from __future__ import annotations

from typing import Any

import msgspec

from trainer_core.plan.types import Hardware, ModelShape
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.check import check
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.defaults import (
    choose_length,
    epochs_from_steps,
    explain,
    resolve,
    sequences_at,
    steps_from_epochs,
)
from trainer_core.run.config.field_types import fields
from trainer_core.run.config.run_config import (
    CheckpointConfig,
    DataConfig,
    EvalConfig,
    OptimizerConfig,
    RunConfig,
)

CPU = Hardware(kind="cpu", name="CPU", devices=2, memory_bytes=2**33, device_memory_gb=8)
CARD = Hardware(
    kind="nvidia",
    name="NVIDIA H100",
    devices=1,
    memory_bytes=79 << 30,
    device_memory_gb=80,
)


def _shape(model: str) -> ModelShape:
    shape = require_model(model).shape
    assert shape is not None
    return shape


def _report(**fields: Any) -> DataReport:
    values: dict[str, Any] = {
        "source": "x",
        "format": "text",
        "prompt_format": "text",
        "columns": (),
        "rows": 100,
        **fields,
    }
    return DataReport(**values)


def test_the_built_in_run_is_settled_whole() -> None:
    resolved = resolve(RunConfig(), _shape("tiny"), CPU)
    config = resolved.config
    assert (config.sequence_length, config.global_batch_size) == (256, 8)
    assert config.learning_rate == 3e-4
    assert config.steps is not None
    assert config.precision == "fp32"
    assert config.optimizer.warmup_steps is not None
    assert None not in (config.eval.every_steps, config.checkpoint.every_steps)
    assert check(config) == []
    said = [choice.partition(" ")[0] for choice in resolved.choices]
    assert said == [
        *("precision", "sequence_length", "global_batch_size", "learning_rate", "steps"),
        *("optimizer.warmup_steps", "eval.every_steps", "checkpoint.every_steps"),
    ]


def test_what_the_user_said_is_kept() -> None:
    wanted = RunConfig(
        sequence_length=128,
        global_batch_size=6,
        learning_rate=0.5,
        steps=50,
        precision="bf16",
        optimizer=OptimizerConfig(warmup_steps=0),
        eval=EvalConfig(every_steps=0),
        checkpoint=CheckpointConfig(every_steps=7),
    )
    resolved = resolve(wanted, _shape("tiny"), CPU)
    assert resolved.config == wanted
    assert resolved.choices == ()


def test_resolving_again_changes_nothing() -> None:
    once = resolve(RunConfig(), _shape("tiny"), CPU).config
    assert resolve(once, _shape("tiny"), CPU).config == once


def test_user_data_is_passed_over_once() -> None:
    config = RunConfig(model="cerebras-gpt-111m", dataset="rows.jsonl")
    report = _report(tokens=500_000, sequences=1000, sequence_length=512)
    resolved = resolve(config, _shape("cerebras-gpt-111m"), CPU, report).config
    assert resolved.epochs == 1.0
    assert (resolved.sequence_length, resolved.global_batch_size) == (512, 8)
    assert resolved.steps == 125
    before = resolve(config, _shape("cerebras-gpt-111m"), CPU).config
    assert (before.epochs, before.steps) == (1.0, None)


def test_a_card_gets_longer_rows_and_larger_batches() -> None:
    config = RunConfig(model="cerebras-gpt-1.3b", dataset="rows.jsonl")
    resolved = resolve(config, _shape("cerebras-gpt-1.3b"), CARD).config
    assert (resolved.sequence_length, resolved.global_batch_size) == (1024, 32)
    assert resolved.precision == "bf16"
    lora = msgspec.structs.replace(config, method="lora")
    assert resolve(lora, _shape("cerebras-gpt-1.3b"), CARD).config.global_batch_size == 16


def test_rows_of_a_card_grow_to_nearly_the_longest_but_not_beyond_the_context() -> None:
    config = RunConfig(model="x", dataset="rows.jsonl")
    lengths = ((1024, 90), (2048, 10))
    long = _report(format="instruction", length_histogram=lengths)
    assert resolve(config, _shape("cerebras-gpt-1.3b"), CARD, long).config.sequence_length == 2048
    longer = _report(format="instruction", length_histogram=((65536, 10),))
    assert resolve(config, _shape("cerebras-gpt-1.3b"), CARD, longer).config.sequence_length == 2048
    assert resolve(config, _shape("llama-3.2-1b"), CARD, longer).config.sequence_length == 4096
    one = _report(format="instruction", length_histogram=((1024, 999), (2**22, 1)))
    assert resolve(config, _shape("llama-3.2-1b"), CARD, one).config.sequence_length == 1024


def test_a_cpu_takes_the_length_that_holds_most_rows() -> None:
    shape = _shape("tiny")
    own = RunConfig(dataset="rows.jsonl")
    rows = ((256, 10), (512, 85), (1024, 5))

    def length(config: RunConfig, **fields: Any) -> int:
        report = _report(**{"format": "instruction", "length_histogram": rows, **fields})
        return choose_length(config, shape, "cpu", report)[0]

    assert length(own) == 512
    assert length(own, length_histogram=((256, 95), (4096, 5))) == 256
    assert length(own, length_histogram=((8192, 9),)) == shape.context == 1024
    assert length(own, format="text") == 256
    assert length(RunConfig()) == 256
    cut = RunConfig(dataset="rows.jsonl", data=DataConfig(truncate=True))
    assert length(cut) == 256


def test_small_data_gets_a_smaller_batch() -> None:
    config = RunConfig(model="x", dataset="rows.jsonl", sequence_length=512)
    few = _report(tokens=40_000, sequences=90, sequence_length=512)
    resolved = resolve(config, _shape("cerebras-gpt-111m"), CARD, few)
    assert resolved.config.global_batch_size == 4
    assert resolved.config.steps == 23
    one = _report(tokens=100, sequences=1, sequence_length=512)
    assert resolve(config, _shape("tiny"), CARD, one).config.global_batch_size == 1


def test_the_batch_is_a_multiple_of_the_devices() -> None:
    config = RunConfig(size="1.5xLarge.768GB")
    assert resolve(config, _shape("tiny"), CPU).config.global_batch_size == 12
    few = _report(tokens=100, sequences=1, sequence_length=256)
    config = RunConfig(size="Medium")
    assert resolve(config, _shape("tiny"), CPU, few).config.global_batch_size == 2
    config = RunConfig(micro_batch_size=3)
    assert resolve(config, _shape("tiny"), CPU).config.global_batch_size == 9


def test_the_built_in_run_evaluates_and_saves_by_what_it_costs() -> None:
    """Its evaluation takes three steps, its checkpoint less than one (both measured)."""
    config = resolve(RunConfig(), _shape("tiny"), CPU).config
    assert config.optimizer.warmup_steps == 2
    assert (config.eval.every_steps, config.checkpoint.every_steps) == (30, 6)
    short = resolve(RunConfig(steps=30), _shape("tiny"), CPU).config
    assert (short.eval.every_steps, short.checkpoint.every_steps) == (0, 6)


def test_the_report_of_user_data_gives_the_cost_of_an_evaluation() -> None:
    config = RunConfig(model="x", dataset="rows.jsonl", sequence_length=512, steps=400)
    held_out = _report(
        tokens=500_000, sequences=1000, sequence_length=512, train_rows=4000, eval_rows=400
    )
    resolved = resolve(config, _shape("cerebras-gpt-111m"), CPU, held_out).config
    # 50,000 tokens held out, 4,000 a step: 4.2 steps each, 40 to spend, 9 between start and end
    assert resolved.eval.every_steps == 40
    few = resolve(
        msgspec.structs.replace(config, steps=100), _shape("cerebras-gpt-111m"), CPU, held_out
    ).config
    assert few.eval.every_steps == 34
    unknown = resolve(config, _shape("cerebras-gpt-111m"), CPU).config
    assert unknown.eval.every_steps is None


def test_steps_and_epochs_are_each_others() -> None:
    assert steps_from_epochs(1.0, 100, 8) == 13
    assert steps_from_epochs(3 * (1 / 3), 96, 8) == 12
    assert steps_from_epochs(0.001, 100, 8) == 1
    assert epochs_from_steps(25, 100, 8) == 2.0
    assert epochs_from_steps(25, 0, 8) is None


def test_a_report_for_another_length_is_converted() -> None:
    report = _report(tokens=97_000, sequences=100, sequence_length=1024)
    assert sequences_at(report, 1024) == 100
    assert sequences_at(report, 500) == 200
    assert sequences_at(_report(), 500) is None
    assert sequences_at(None, 500) is None


def test_every_line_beside_a_field_belongs_to_one() -> None:
    shape = _shape("cerebras-gpt-1.3b")
    config = RunConfig(model="cerebras-gpt-1.3b")
    assert explain("learning_rate", config, shape) == (
        "2e-05: usual for a full fine-tune of 1.3 B parameters"
    )
    assert explain("sequence_length", config, shape) == (
        "tokens in one packed row; this model takes at most 2048"
    )
    assert explain("steps", RunConfig()) == "60 steps: about a minute on two cores"
    assert explain("steps", config) == "one pass over your data; steps win over epochs"
    assert explain("name", config) == ""
    for field in fields():
        assert len(explain(field, config, shape)) < 90
