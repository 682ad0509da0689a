from __future__ import annotations

from pathlib import Path

import pytest

from moai_tui.commands.run_options import FLAG_FIELDS, configuration
from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig


def test_every_flag_is_a_field() -> None:
    assert set(FLAG_FIELDS) <= set(RunConfig.__struct_fields__)


def test_nothing_given_is_the_default() -> None:
    assert configuration(None, dict.fromkeys(FLAG_FIELDS)) == RunConfig()


def test_flags_go_over_the_file_and_settings_over_flags(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("steps: 5\nseed: 3\n")
    config = configuration(
        str(tmp_path / "a.yaml"),
        {"steps": "7", "from_scratch": True, "name": None, "skip_bad_rows": False},
        ["checkpoint.keep=4", "steps=9"],
    )
    assert (config.steps, config.seed, config.checkpoint.keep) == (9, 3, 4)
    assert config.from_scratch
    assert not config.skip_bad_rows


@pytest.mark.parametrize("setting", ["checkpoint.keep", "checkpoint.kept=3", "steps=soon"])
def test_a_wrong_setting_is_one_sentence(setting: str) -> None:
    with pytest.raises(UserError):
        configuration(None, {}, [setting])
