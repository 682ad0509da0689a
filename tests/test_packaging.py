"""The built wheel, installed elsewhere, works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with hatchling, offline, as `pip wheel` would."""
    target = tmp_path_factory.mktemp("dist")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return target / done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel into an environment that sees our libraries, but not the checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", with_pip=False, system_site_packages=False)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    links = [
        path
        for path in Path(libraries).iterdir()
        if not path.name.startswith(("moai_tui", "_editable_impl", "trainer_core"))
    ]
    for path in links:
        target = site / path.name
        if not target.exists() and path.suffix != ".pth":
            target.symlink_to(path)
    return folder


def ask(installed: Path, code: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(installed / "env" / "bin" / "python"), "-P", "-c", code],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_what_is_read_at_run_time(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("moai_tui", "trainer_core")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted |= {f"moai_tui/themes/{path.name}" for path in (ROOT / "themes").glob("*.yaml")}
    assert {"moai_tui/app.tcss", "moai_tui/themes/moai-dark.yaml"} <= wanted
    assert wanted - names == set()
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_themes_and_presets_are_found_elsewhere(installed: Path) -> None:
    answer = ask(
        installed,
        "import moai_tui.theming as t, trainer_core.run.config.catalog as c, moai_tui\n"
        "print(moai_tui.__file__)\n"
        "print((t.builtin_theme_dir() / 'moai-dark.yaml').is_file())\n"
        "print('tiny' in [entry.id for entry in c.model_presets()])",
    )
    path, theme, preset = answer.splitlines()
    assert path.startswith(str(installed))
    assert (theme, preset) == ("True", "True")


def test_the_installed_command_answers(installed: Path) -> None:
    answer = ask(
        installed,
        "import sys; sys.argv = ['moai-tui', '--version']\n"
        "from moai_tui.__main__ import main\nsys.exit(main())",
    )
    assert answer.startswith("moai-tui ")
