from __future__ import annotations

from pathlib import Path

import pytest

from moai_tui.widgets.form import catalog_choices
from moai_tui.widgets.form.catalog_choices import HERE, PRESETS, dataset_choices, model_choices
from trainer_core.run.catalog import DatasetEntry, ModelEntry


def test_what_is_built_in_is_here_and_presets_name_their_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    choices = {choice.value: choice for choice in model_choices()}
    assert choices["tiny"].group == HERE
    assert choices["tiny"].details[1] == "built in"
    gpt = choices["cerebras-gpt-111m"]
    assert gpt.details[0] == "111M parameters"
    assert gpt.group == PRESETS
    assert gpt.details[1].endswith(" download")


def test_groups_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    here = ModelEntry(id="/m/mine", title="mine", origin="folder", local_path=Path("/m/mine"))
    there = ModelEntry(id="big", title="big", origin="preset", download_bytes=2**30, gated=True)
    monkeypatch.setattr(catalog_choices, "models_here", lambda *_: (here,))
    monkeypatch.setattr(catalog_choices, "model_presets", lambda *_: (here, there))
    mine, big = model_choices()
    assert (mine.group, mine.details) == (HERE, ("", "local folder"))
    assert (big.group, big.details) == (PRESETS, ("", "1.00 GiB download, gated"))


def test_datasets_say_rows_and_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    here = DatasetEntry(id="notes.jsonl", title="", origin="file", source="x", local_path=Path("x"))
    there = DatasetEntry(
        id="hub", title="", origin="hub", source="a/b", rows=2000, download_bytes=2**20
    )
    monkeypatch.setattr(catalog_choices, "datasets_here", lambda: (here,))
    monkeypatch.setattr(catalog_choices, "dataset_presets", lambda: (here, there))
    notes, hub, python = dataset_choices()
    assert (notes.group, notes.details) == (HERE, ("", "no download"))
    assert hub.details == ("2,000 rows", "1.00 MiB download")
    assert python.value == "python:."


def test_the_built_in_dataset_is_offered_first() -> None:
    assert dataset_choices()[0].value == "python-stdlib"
