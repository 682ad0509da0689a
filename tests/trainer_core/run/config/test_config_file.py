from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.errors import ConfigError, ConfigErrors, UserError
from trainer_core.run.config.check import check
from trainer_core.run.config.config_file import (
    dump_config,
    load_config,
    override,
    parse_config,
    run_presets,
)
from trainer_core.run.config.field_types import fields
from trainer_core.run.config.fields import with_value
from trainer_core.run.config.run_config import CheckpointConfig, DataConfig, RunConfig, SampleConfig
from trainer_core.yaml_text import read_yaml


def _sentences(mapping: Any) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse_config(mapping)
    return str(caught.value).split("\n")


def test_every_wrong_field_is_named_at_once() -> None:
    assert _sentences(
        {
            "learning_rate": "fast",
            "cutoff_len": 512,
            "optimizer": {"betas": [0.9, 0.95], "lr": 1e-4},
            "data": {"packing": 3},
            "checkpoint": 5,
        }
    ) == [
        "checkpoint: 5 stands where a section is wanted; indent its settings under it: "
        "every_steps, keep …",
        "learning_rate: 'fast' cannot be used; write a number, e.g. 0.0001 or 1e-4",
        "cutoff_len: unknown key; write sequence_length",
        "optimizer.betas: unknown key; the nearest known key is optimizer.beta2",
        "optimizer.lr: unknown key; write learning_rate",
        "data.packing: 3 cannot be used; write true or false",
    ]


def test_sections_and_dotted_keys_are_the_same_and_may_not_differ() -> None:
    config = parse_config({"checkpoint.keep": 3, "checkpoint": {"every_steps": 7}, "eval": None})
    assert config.checkpoint == CheckpointConfig(keep=3, every_steps=7)
    assert _sentences({"checkpoint.keep": 3, "checkpoint": {"keep": 4}}) == [
        "checkpoint.keep: stands twice, dotted and in a section; keep one"
    ]


def test_keys_that_are_no_text_are_named_too() -> None:
    assert _sentences({7: 1}) == ["7: unknown key; leave it out"]


@pytest.mark.parametrize("value", [[1], "text", 3])
def test_what_is_no_mapping_is_one_sentence(value: object) -> None:
    with pytest.raises(UserError, match=r"run\.yaml: holds .*; write settings as"):
        parse_config(value, origin="run.yaml")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert load_config(path) == RunConfig()


def test_the_tutorial_preset_is_the_tutorial() -> None:
    config = load_config("gpt-tutorial")
    assert config.model == "cerebras-gpt-13b"
    assert config.dataset == "mlabonne/Evol-Instruct-Python-26k"
    assert (config.sequence_length, config.global_batch_size) == (1024, 16)
    assert (config.learning_rate, config.epochs, config.steps) == (1e-5, 1.0, None)
    assert config.data.prompt_format == "instruct"
    assert config.data.train_on_prompt
    assert config.optimizer.schedule == "constant"


def test_every_preset_loads_and_is_valid() -> None:
    presets = run_presets()
    assert [preset.id for preset in presets] == ["default", "gpt-tutorial"]
    for preset in presets:
        assert preset.title
        assert check(load_config(preset.id)) == []
    assert load_config("default") == RunConfig()


def test_a_run_folder_is_read_by_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: again\n")
    assert load_config(tmp_path).name == "again"


def test_what_exists_on_disk_wins_over_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("default").write_text("name: mine\n")
    assert load_config("default").name == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gpt-tutoril", "gpt-tutoril: no such file or run preset; presets: gpt-tutorial"),
        ("a/b.yaml", "a/b.yaml: no such file or run preset; presets: default, gpt-tutorial"),
        ("x\0y", None),
        ("y" * 5000, None),
    ],
)
def test_an_unknown_config_names_the_presets(name: str, sentence: str | None) -> None:
    with pytest.raises(UserError) as caught:
        load_config(name)
    if sentence is not None:
        assert str(caught.value) == sentence


def test_flags_are_converted_and_all_wrong_ones_named() -> None:
    config = override(
        RunConfig(),
        {"learning_rate": "3e-4", "devices": "0,1", "checkpoint.keep": "5", "from_scratch": "true"},
    )
    assert config.learning_rate == 3e-4
    assert config.devices == ("0", "1")
    assert config.checkpoint.keep == 5
    assert config.from_scratch
    with pytest.raises(ConfigErrors) as caught:
        override(RunConfig(), {"lr": "1", "steps": "many"})
    assert [error.field for error in caught.value.errors] == ["lr", "steps"]


def test_length_in_one_unit_replaces_the_other() -> None:
    assert override(RunConfig(epochs=2.0), {"steps": "10"}).epochs is None
    assert override(RunConfig(steps=10), {"epochs": "2"}).steps is None
    both = override(RunConfig(), {"steps": "10", "epochs": "2"})
    assert (both.steps, both.epochs) == (10, 2.0)


def test_an_empty_or_null_flag_opens_a_field_again() -> None:
    assert override(RunConfig(eval_dataset="x.jsonl"), {"eval_dataset": ""}).eval_dataset is None
    assert override(RunConfig(steps=5), {"steps": "null"}).steps is None


def test_the_file_has_every_field_under_its_comment() -> None:
    text = dump_config(RunConfig())
    read = read_yaml(text, "x")
    for name in fields():
        section, _, key = name.rpartition(".")
        assert key in (read[section] if section else read)
    assert "# AdamW and its learning-rate schedule.\noptimizer:\n  weight_decay: 0.01\n" in text
    assert "epsilon: 1.0e-08" in text


def _value(name: str) -> st.SearchStrategy[Any]:
    field = fields()[name]
    words = st.text(st.characters(codec="utf-8"), max_size=30)
    strategies: dict[str, st.SearchStrategy[Any]] = {
        "text": words,
        "integer": st.integers(-(2**40), 2**40),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "switch": st.booleans(),
        "choice": st.sampled_from(field.choices or ("",)),
        "list": st.lists(words, max_size=3).map(tuple),
    }
    value = strategies[field.kind]
    return st.none() | value if field.optional else value


random_configs = st.fixed_dictionaries({name: _value(name) for name in fields()})


@given(random_configs)
def test_what_is_written_reads_back_the_same(values: dict[str, Any]) -> None:
    config = RunConfig()
    for name, value in values.items():
        config = with_value(config, name, value)
    assert parse_config(read_yaml(dump_config(config), "x")) == config


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*fields(), "data", "lr"]), nested, max_size=6))
def test_any_mapping_gives_a_config_or_our_errors(mapping: dict[str, Any]) -> None:
    said: tuple[ConfigError, ...] = ()
    try:
        said = tuple(check(parse_config(mapping)))
    except ConfigErrors as errors:
        said = errors.errors
    for error in said:
        assert len(str(error).splitlines()) == 1


def test_texts_with_traps_survive() -> None:
    config = RunConfig(
        name="no",
        data=DataConfig(text_column="1e-5", split="train: x # y"),
        sample=SampleConfig(prompts=("one\ntwo", "- 'quoted' \"text\"", " spaced ", "2026-01-01")),
    )
    assert parse_config(read_yaml(dump_config(config), "x")) == config
    assert msgspec.structs.asdict(config)["name"] == "no"
