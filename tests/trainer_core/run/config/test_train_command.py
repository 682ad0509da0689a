"""The line must start the same run: it is read back with the command line's own conversion."""

from __future__ import annotations

import shlex

import pytest

from trainer_core.run.config.config_file import override
from trainer_core.run.config.run_config import DataConfig, LoraConfig, OptimizerConfig, RunConfig
from trainer_core.run.config.train_command import train_command


def read_back(command: str) -> RunConfig:
    """The config that the flags of a command make."""
    words = shlex.split(command)
    assert words[:2] == ["moai-tui", "train"]
    changes: dict[str, str] = {}
    words = words[2:]
    while words:
        flag = words.pop(0).removeprefix("--").replace("-", "_")
        if flag in ("from_scratch", "skip_bad_rows"):
            changes[flag] = "true"
        elif flag == "set":
            name, _, text = words.pop(0).partition("=")
            changes[name] = text
        else:
            changes[flag] = words.pop(0)
    return override(RunConfig(), changes)


def test_the_default_run_needs_no_flag() -> None:
    assert train_command(RunConfig()) == "moai-tui train"


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(model="cerebras-gpt-111m", from_scratch=True, learning_rate=1e-5),
        RunConfig(dataset="my data/it's.jsonl", devices=("2", "3"), skip_bad_rows=True),
        RunConfig(epochs=0.5, size="xLarge.640GB", time_limit="1h50m", name="first"),
        RunConfig(steps=20, micro_batch_size=4, precision="bf16"),
        RunConfig(data=DataConfig(packing=False, train_on_prompt=True, prompt_format="chat")),
        RunConfig(optimizer=OptimizerConfig(weight_decay=0.123456789, warmup_steps=0)),
        RunConfig(method="lora", lora=LoraConfig(rank=8, target_modules=("q_proj", "v_proj"))),
    ],
)
def test_the_command_makes_the_same_config(config: RunConfig) -> None:
    assert read_back(train_command(config)) == config


def test_flags_come_before_settings() -> None:
    config = RunConfig(seed=7, data=DataConfig(packing=False))
    assert train_command(config) == "moai-tui train --seed 7 --set data.packing=false"
