"""A rank's exit code, and the one sentence of a user's mistake."""

from __future__ import annotations

import pytest

from trainer_core.engine import rank, setup
from trainer_core.errors import ConfigErrors


def test_a_users_mistake_is_one_sentence_and_code_2(make_run, read_events, capfd):
    folder = make_run(model="no-such-preset")
    assert rank.main(folder) == 2
    (ended,) = read_events(folder, "training_ended")
    assert ended["exit_code"] == 2
    assert "no-such-preset" in ended["error"]
    assert "Traceback" not in capfd.readouterr().err


def test_data_without_a_row_is_a_users_mistake(make_run, read_events, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    folder = make_run(dataset=str(empty))
    assert rank.main(folder) == 2
    (ended,) = read_events(folder, "training_ended")
    assert "empty.jsonl" in ended["error"]


def test_our_own_fault_is_a_traceback_and_code_1(make_run, read_events, capfd, monkeypatch):
    monkeypatch.setattr(setup, "build", lambda *_, **__: 1 / 0)
    folder = make_run()
    assert rank.main(folder) == 1
    (ended,) = read_events(folder, "training_ended")
    assert ended["error"].startswith("ZeroDivisionError")
    assert "Traceback" in capfd.readouterr().err


def test_what_a_killed_save_left_is_gone_before_anything_is_built(make_run, monkeypatch):
    folder = make_run()
    half = folder / "checkpoints" / ".tmp-step-00000004-1"
    half.mkdir(parents=True)
    monkeypatch.setattr(setup, "build", lambda *_, **__: 1 / 0)
    rank.main(folder)
    assert list((folder / "checkpoints").iterdir()) == []


def test_every_wrong_field_is_named_at_once(make_run):
    folder = make_run(global_batch_size=0, learning_rate=-1.0)
    with pytest.raises(ConfigErrors) as caught:
        rank.read_config(folder)
    assert {"global_batch_size", "learning_rate"} <= {e.field for e in caught.value.errors}


def test_several_ranks_without_a_meeting_point_end_at_once(make_run, read_events, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    folder = make_run()
    assert rank.main(folder) == 2
    assert "torchrun" in read_events(folder, "training_ended")[0]["error"]
