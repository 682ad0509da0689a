from __future__ import annotations

import pytest

from moai_tui.settings import Settings, export_settings, load_settings, save_setting
from trainer_core.errors import UserError


def written(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold(tmp_path):
    assert load_settings(tmp_path / "none.yaml", {}) == Settings()


def test_variables_overrule_the_file_and_the_file_the_defaults(tmp_path):
    path = written(
        tmp_path,
        "theme: mono\nrefresh: 2\nstorage:\n  runs: /data/runs\nworker:\n  python: ~/v/python\n"
        "models:\n  folders: [/m/a, /m/b]\n",
    )
    found = load_settings(path, {"MOAI_TUI_THEME": "moai-light", "HOME": "/h"})
    assert found.theme == "moai-light"
    assert found.refresh_seconds == 2.0
    assert found.runs_folder == "/data/runs"
    assert found.worker_python is not None
    assert found.worker_python.endswith("/v/python")
    assert "~" not in found.worker_python
    assert found.model_folders == ("/m/a", "/m/b")
    assert found.notices == ()


def test_an_unknown_key_is_told_with_the_nearest_one(tmp_path):
    path = written(tmp_path, "them: mono\nworker.pyton: /x\nzzz: 1\n")
    notices = load_settings(path, {}).notices
    assert notices[0] == f"{path}: them is not a setting; did you mean theme?"
    assert "did you mean worker.python?" in notices[1]
    assert "known are theme" in notices[2]


def test_a_wrong_value_is_told_and_the_rest_still_holds(tmp_path):
    path = written(tmp_path, "refresh: often\ntheme: mono\nmodels.folders: 7\n")
    found = load_settings(path, {"MOAI_TUI_REFRESH": "0.1"})
    assert found.theme == "mono"
    assert found.refresh_seconds == 1.0
    assert any("refresh: 'often'" in notice for notice in found.notices)
    assert any("MOAI_TUI_REFRESH: '0.1'" in notice for notice in found.notices)
    assert any("models.folders: 7" in notice for notice in found.notices)


def test_a_file_that_is_no_yaml_names_its_line(tmp_path):
    path = written(tmp_path, "theme: mono\nrefresh: [1\n")
    found = load_settings(path, {})
    assert found.theme == Settings().theme
    assert found.notices[0].startswith(f"{path}:3: not YAML")
    assert found.notices[0].endswith("the defaults are used")
    listed = load_settings(written(tmp_path, "- a\n"), {})
    assert "use `key: value` lines" in listed.notices[0]
    path.write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in load_settings(path, {}).notices[0]
    twice = load_settings(written(tmp_path, "theme: mono\ntheme: moai-light\n"), {})
    assert "stands here a second time" in twice.notices[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    assert load_settings(tmp_path, {}).notices == (
        f"{tmp_path}: Is a directory; name a readable file; until then the defaults are used",
    )
    assert load_settings(tmp_path / "none.yaml", {}).notices == ()


def test_settings_reach_the_core_as_variables_that_do_not_overrule_real_ones():
    environ = {"MOAI_TUI_RUNS": "/mine"}
    export_settings(
        Settings(runs_folder="/file", worker_python="/py", model_folders=("/a", "/b")), environ
    )
    assert environ == {
        "MOAI_TUI_RUNS": "/mine",
        "MOAI_TUI_WORKER_PYTHON": "/py",
        "MOAI_TUI_MODELS": "/a:/b",
    }


def test_the_machines_settings_stand_under_the_users(tmp_path, monkeypatch):
    shared = tmp_path / "machine.yaml"
    shared.write_text("storage: {runs: /scratch}\ntheme: mono\nlimits: {size: Small}\nodd: 1\n")
    monkeypatch.setattr("trainer_core.machine_settings.SETTINGS_FILE", shared)
    own = tmp_path / "config.yaml"
    own.write_text("theme: moai-light\nshare: {run_names: yes}\n")
    settings = load_settings(own, {})
    assert (settings.theme, settings.runs_folder) == ("moai-light", "/scratch")
    assert settings.share_run_names
    assert [notice for notice in settings.notices if "odd is not a setting" in notice]


def test_a_setting_is_saved_read_back_and_taken_out(tmp_path):
    path = tmp_path / "below" / "config.yaml"
    save_setting("storage.runs", "/scratch", path)
    save_setting("theme", "mono", path)
    save_setting("models.folders", "/a:/b", path)
    settings = load_settings(path, {})
    assert (settings.theme, settings.runs_folder) == ("mono", "/scratch")
    assert settings.model_folders == ("/a", "/b")
    assert settings.origins["theme"] == str(path)
    save_setting("theme", "", path)
    assert load_settings(path, {}).theme == "auto"


@pytest.mark.parametrize(
    ("before", "key", "text", "words"),
    [
        ("theme: mono # mine\n", "theme", "moai-dark", "has comments"),
        ("", "refresh", "soon", "use a number of seconds"),
        ("theme: [\n", "theme", "mono", "config.yaml"),
    ],
)
def test_a_setting_that_cannot_be_saved_is_one_sentence(tmp_path, before, key, text, words):
    path = tmp_path / "config.yaml"
    path.write_text(before)
    with pytest.raises(UserError, match=words):
        save_setting(key, text, path)
    assert path.read_text() == before
