from __future__ import annotations

from dataclasses import replace

import msgspec

from moai_tui.widgets.form.form_state import (
    FormState,
    by_field,
    data_key,
    data_problems,
    device_key,
    verdict_problems,
    without,
)
from tests.moai_tui.form_facts import BROKEN_REPORT, CPU, REPORT, VERDICT
from trainer_core.accelerators.base import DeviceProcess
from trainer_core.run.config.data_report import RowError
from trainer_core.run.config.run_config import DataConfig, RunConfig

DEFAULTS = RunConfig()


def test_what_was_written_wins_over_what_the_core_chose() -> None:
    state = FormState(draft=RunConfig(seed=3), resolved=RunConfig(learning_rate=1e-3, seed=9))
    assert (state.chosen("learning_rate"), state.wrote("learning_rate")) == (1e-3, None)
    assert state.chosen("seed") == 3
    assert state.changed("seed")
    assert not state.changed("learning_rate")


def test_the_data_is_read_again_only_for_what_shapes_its_rows() -> None:
    changed = msgspec.structs.replace(DEFAULTS, learning_rate=1.0, steps=5, name="x")
    assert data_key(changed) == data_key(DEFAULTS)
    assert data_key(RunConfig(sequence_length=8)) != data_key(DEFAULTS)
    assert data_key(RunConfig(data=DataConfig(truncate=True))) != data_key(DEFAULTS)


def test_loads_that_come_and_go_are_no_news_of_a_device() -> None:
    assert device_key((replace(CPU, utilization_percent=90.0, memory_used_bytes=5),)) == device_key(
        (CPU,)
    )
    assert device_key((replace(CPU, held_by="r"),)) != device_key((CPU,))
    process = DeviceProcess(pid=7, user="bob")
    assert device_key((replace(CPU, processes=(process,)),)) != device_key((CPU,))


def test_broken_rows_stop_a_start_unless_they_are_skipped() -> None:
    state = FormState(report=BROKEN_REPORT)
    assert "2 broken rows" in data_problems(state)["dataset"]
    assert data_problems(replace(state, draft=RunConfig(skip_bad_rows=True))) == {}
    assert data_problems(FormState(report=REPORT)) == {}
    lost = RowError(file="x", message="is not there", fix="check the path")
    report = msgspec.structs.replace(REPORT, errors=(lost,), error_count=1)
    assert data_problems(FormState(report=report)) == {"dataset": "x: is not there; check the path"}
    assert data_problems(FormState(data_problem="gone")) == {"dataset": "gone"}


def test_a_size_that_does_not_fit_is_a_problem_of_the_size() -> None:
    choice = VERDICT.choice
    assert choice is not None
    for verdict in ("fits", "tight"):
        assert verdict_problems(replace(VERDICT, choice=replace(choice, verdict=verdict))) == {}
    refused = replace(VERDICT, choice=replace(choice, verdict="no", why="needs 31 GiB"))
    assert verdict_problems(refused) == {"size": "needs 31 GiB"}
    assert verdict_problems(replace(VERDICT, choice=None)) == {"size": VERDICT.reason}
    assert verdict_problems(None) == {}


def test_a_sentence_does_not_repeat_the_name_of_its_field() -> None:
    found = by_field((("steps", "steps: 0 is too few"), ("steps", "second"), ("", "whole")))
    assert found == {"steps": "0 is too few", "": "whole"}
    assert without(found, "steps") == {}
    assert without(found | {"seed": "x"}, "steps") == {"seed": "x"}
