from __future__ import annotations

from pathlib import Path

from moai_tui.widgets.form.catalog_choices import HERE, PRESETS, dataset_choices, model_choices
from trainer_core.run.config.catalog import DatasetEntry, ModelEntry, model_presets


def test_what_is_built_in_is_here_and_presets_name_their_download() -> None:
    choices = {choice.value: choice for choice in model_choices(model_presets())}
    assert choices["tiny"].group == HERE
    assert choices["tiny"].details[1] == "built in"
    gpt = choices["cerebras-gpt-111m"]
    assert gpt.details[0] == "111M parameters"
    assert gpt.group == PRESETS
    assert gpt.details[1].endswith(" download")


def test_a_model_says_where_it_is_and_what_fetching_it_takes() -> None:
    here = ModelEntry(id="/m/mine", title="mine", origin="folder", local_path=Path("/m/mine"))
    there = ModelEntry(id="big", title="big", origin="preset", download_bytes=2**30, gated=True)
    mine, big = model_choices((here, there))
    assert (mine.group, mine.details) == (HERE, ("", "local folder"))
    assert (big.group, big.details) == (PRESETS, ("", "1.00 GiB download, gated"))


def test_datasets_say_rows_and_where_they_come_from() -> None:
    here = DatasetEntry(id="notes.jsonl", title="", origin="file", source="x", local_path=Path("x"))
    there = DatasetEntry(
        id="hub", title="", origin="hub", source="a/b", rows=2000, download_bytes=2**20
    )
    notes, hub, python = dataset_choices((here, there))
    assert (notes.group, notes.details) == (HERE, ("", "no download"))
    assert hub.details == ("2,000 rows", "1.00 MiB download")
    assert python.value == "python:."


def test_the_result_of_a_run_is_called_by_its_run() -> None:
    path = Path("/home/me/runs/20261124-144447-02cca9/model")
    (choice,) = model_choices((ModelEntry(id=str(path), title="", origin="run", local_path=path),))
    assert choice.label == "20261124-144447-02cca9"
    assert choice.value == str(path)
    assert choice.details[1] == "result of a run"
