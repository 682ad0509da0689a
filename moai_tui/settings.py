"""The user's settings: one YAML file, overruled by `MOAI_TUI_*` variables.

`<config home>/moai-tui/config.yaml`. A mistake in it is a notice with the nearest known key,
never a dashboard that does not open.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainer_core.errors import UserError
from trainer_core.folders import config_root
from trainer_core.machine_settings import SETTINGS_FILE, machine_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything a user may settle for good."""

    theme: str = "auto"
    """Name of a built-in or user theme; `auto` is the one that suits the terminal."""
    refresh_seconds: float = 1.0
    """Time between two readings of the accelerators, at least 0.5."""
    runs_folder: str | None = None
    """Where new run folders are made; None is below the state folder."""
    worker_python: str | None = None
    """Interpreter whose torch trains; None is the one that runs the dashboard."""
    model_folders: tuple[str, ...] = ()
    """Folders whose subfolders are offered as models."""
    share_run_names: bool = False
    """Whether other users of this machine may read what a run of ours is called."""
    view_only: bool = False
    """Whether the dashboard only shows: it starts, stops and changes nothing."""
    bell: bool = True
    """Whether the terminal rings when a run ends or stalls."""
    notification: bool = True
    """Whether the terminal is asked to notify then, by OSC 9."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key → where its value comes from; keys that are left out have their default."""
    notices: tuple[str, ...] = ()
    """What was wrong in the file, one sentence each."""


def settings_path() -> Path:
    """Return where the settings stand, whether or not the file exists."""
    return config_root() / "config.yaml"


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: variables before the user's file before the machine's before defaults.

    Args:
        path: The YAML file; None is `settings_path()`. A missing file is no mistake.
        environ: None is the process's own.

    Returns:
        Settings that can be used, with a notice for each thing that could not.
    """
    path = settings_path() if path is None else path
    environ = os.environ if environ is None else environ
    values, notices = _read(path)
    shared, shared_notices = _known(_flat(machine_settings().defaults), SETTINGS_FILE)
    notices += [*machine_settings().notes, *shared_notices]
    settings = Settings()
    sources = ((shared, str(SETTINGS_FILE)), (values, str(path)), (_from_environment(environ), ""))
    origins: dict[str, str] = {}
    for source, where in sources:
        for key, value in source.items():
            name, convert = KEYS[key]
            try:
                settings = replace(settings, **{name: convert(value)})
                origins[key] = where or VARIABLES_OF[key]
            except (TypeError, ValueError) as error:
                place = f"{where}: {key}" if where else VARIABLES_OF[key]
                notices.append(f"{place}: {value!r} cannot be used; {error}")
    return replace(settings, notices=tuple(notices), origins=origins)


def save_setting(key: str, text: str, path: Path | None = None) -> None:
    """Write one setting into the user's file.

    Args:
        key: Dotted, one of `KEYS`.
        text: As typed; nothing takes the setting out, so that its default holds again.
        path: None is `settings_path()`.

    Raises:
        UserError: The value cannot be used, the file is broken or cannot be written, or it has
            comments, which would be lost.
    """
    from trainer_core.durable import write_whole
    from trainer_core.yaml_text import own_yaml, read_yaml_file

    path = settings_path() if path is None else path
    content: dict[str, Any] = {}
    try:
        value = KEYS[key][1](text) if text else None
        if path.exists():
            if re.search(r"(?m)(^|\s)#", path.read_text(encoding="utf-8")):
                raise UserError(f"{path} has comments, which would be lost; change {key} there")
            content = read_yaml_file(path) or {}
        _set(content, key.split("."), list(value) if isinstance(value, tuple) else value)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, own_yaml(content).encode())
    except ValueError as error:
        raise UserError(f"{key}: {text!r} cannot be used; {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); {key} stays") from error


def _set(content: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        below = content.setdefault(key, {})
        content = below if isinstance(below, dict) else content
    content.pop(keys[-1], None)
    if value is not None:
        content[keys[-1]] = value


def export_settings(settings: Settings, environ: dict[str, str] | None = None) -> None:
    """Hand the settings to the core, and to every process started from here, as variables.

    Variables that are set already stay: they overrule the file.
    """
    target = os.environ if environ is None else environ
    wanted = {
        "MOAI_TUI_RUNS": settings.runs_folder,
        "MOAI_TUI_WORKER_PYTHON": settings.worker_python,
        "MOAI_TUI_MODELS": os.pathsep.join(settings.model_folders),
        "MOAI_TUI_SHARE_NAMES": "1" if settings.share_run_names else None,
    }
    for name, value in wanted.items():
        if value:
            target.setdefault(name, value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("use a text")
    return value.strip()


def _folder(value: object) -> str:
    return str(Path(_text(value)).expanduser())


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # a text or number from YAML
    except (TypeError, ValueError):
        raise ValueError("use a number of seconds, 0.5 or more") from None
    if not 0.5 <= seconds <= 3600:
        raise ValueError("use a number of seconds from 0.5 to 3600")
    return seconds


def _folders(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part]
    if not isinstance(value, list):
        raise ValueError("use a list of folders")
    return tuple(_folder(part) for part in value)


def _truth(value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError("use true or false")
    return words[str(value).lower()]


KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "theme": ("theme", _text),
    "refresh": ("refresh_seconds", _seconds),
    "storage.runs": ("runs_folder", _folder),
    "worker.python": ("worker_python", _folder),
    "models.folders": ("model_folders", _folders),
    "share.run_names": ("share_run_names", _truth),
    "view_only": ("view_only", _truth),
    "alerts.bell": ("bell", _truth),
    "alerts.notification": ("notification", _truth),
}
"""Key in the file → field and what reads it."""

READ_ELSEWHERE = ("alerts.webhook", "alerts.command")
"""Keys of the same file that the end of a run reads itself: they may hold secrets."""

VARIABLES_OF = {
    "theme": "MOAI_TUI_THEME",
    "refresh": "MOAI_TUI_REFRESH",
    "storage.runs": "MOAI_TUI_RUNS",
    "worker.python": "MOAI_TUI_WORKER_PYTHON",
    "models.folders": "MOAI_TUI_MODELS",
    "share.run_names": "MOAI_TUI_SHARE_NAMES",
    "view_only": "MOAI_TUI_VIEW_ONLY",
    "alerts.bell": "MOAI_TUI_BELL",
    "alerts.notification": "MOAI_TUI_NOTIFICATION",
}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    return {key: environ[name] for key, name in VARIABLES_OF.items() if environ.get(name)}


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the known keys of the file, dotted, and a sentence for each of the rest."""
    try:
        if not path.exists():
            return {}, []
        from trainer_core.yaml_text import read_yaml_file

        content = read_yaml_file(path)
    except (UserError, OSError) as error:
        return {}, [f"{error}; until then the defaults are used"]
    if content is None:
        return {}, []
    if not isinstance(content, dict):
        return {}, [f"{path}: use `key: value` lines; the defaults are used"]
    return _known(_flat(content), path)


def _flat(content: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _known(flat: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    notices = []
    for key in flat:
        if key not in (*KEYS, *READ_ELSEWHERE):
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
            notices.append(f"{path}: {key} is not a setting; {hint}")
    return {key: value for key, value in flat.items() if key in KEYS}, notices
