from __future__ import annotations

import pytest

from trainer_core.run.config.fields import differing_fields, field_names, value_of, with_value
from trainer_core.run.config.run_config import RunConfig


def test_every_field_can_be_read_and_set_by_its_name() -> None:
    config = RunConfig()
    for name in field_names():
        assert with_value(config, name, value_of(config, name)) == config


def test_setting_a_field_of_a_section_leaves_the_rest() -> None:
    changed = with_value(RunConfig(), "data.packing", False)
    assert changed.data.packing is False
    assert differing_fields(changed, RunConfig()) == ("data.packing",)


@pytest.mark.parametrize("name", ["learning", "data.pack", "model.size"])
def test_a_name_that_is_no_field_is_refused(name: str) -> None:
    with pytest.raises(AttributeError):
        with_value(RunConfig(), name, 1)
