"""Other people on the host, secrets and planted files: nothing is read, run or believed."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.laboratory import Laboratory, Tail, processes_of, record, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

STRANGER = 64_321
"""A user number that nobody has; `setpriv` needs no account for it."""
SECRET = "hf_" + "Qz7" * 11
QUICK = ("--steps", "3", "--set", "sample.count=0")

as_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)


def as_stranger(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the other user."""
    return subprocess.run(
        ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def open_to_others(root: Path) -> list[Path]:
    """Return everything below a folder that others may read, write or enter."""
    return [
        path
        for path in (root, *root.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


def test_everything_is_its_owners_alone_whatever_the_umask(laboratory: Laboratory) -> None:
    before = os.umask(0)
    try:
        run = laboratory.start("mine", *QUICK)
        laboratory.wait_for_end(run.name)
    finally:
        os.umask(before)
    assert open_to_others(laboratory.place / "home") == []
    assert open_to_others(laboratory.place / "cache" / "moai-tui") == []


@as_root
def test_another_user_reads_nothing_and_plants_nothing(laboratory: Laboratory) -> None:
    for folder in (laboratory.place, *laboratory.place.parents):
        if folder != Path("/") and folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o011)
    run = laboratory.start("mine", *QUICK)
    laboratory.wait_for_end(run.name)
    tried = 0
    home = laboratory.place / "home"
    inside = ("events.jsonl", "config.yaml", "control", "logs", "model")
    for path in (home, home / "runs", run, *(run / name for name in inside)):
        for deed in (f"cat {path}", f"ls {path}", f"touch {path}/planted", f"echo x >> {path}"):
            tried += 1
            assert as_stranger("sh", "-c", deed).returncode != 0, deed
    # A root of somebody else, or one that others may write, is refused before anything is in it.
    theirs = laboratory.place / "theirs"
    theirs.mkdir()
    os.chown(theirs, STRANGER, STRANGER)
    for root, mode in ((theirs, 0o755), (laboratory.place / "open", 0o777)):
        root.mkdir(exist_ok=True)
        root.chmod(mode)
        laboratory.environment["MOAI_TUI_HOME"] = str(root)
        refused = laboratory.moai("train", "--dataset", str(laboratory.rows()), *QUICK, ok=False)
        assert refused.returncode == 2
        assert str(root) in refused.stderr
        assert list(root.iterdir()) == []
    record("a second user", deeds=tried, succeeded=0)


def test_several_ranks_listen_on_this_host_alone(laboratory: Laboratory) -> None:
    run = laboratory.start(
        "two", "--size", "Medium", "--steps", "100000", "--set", "sample.count=0"
    )
    tail = Tail(run)
    wait_until(lambda: any(row["type"] == "step" for row in tail.read()), 300)
    ours = processes_of(run.name, laboratory.place)
    sockets = set()
    for pid in ours:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
            except OSError:
                continue
            if found:
                sockets.add(found.group(1))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                listening.append(fields[1])
    laboratory.moai("stop", run.name)
    laboratory.wait_for_end(run.name)
    loopback = re.compile(
        r"0100007F:|00000000000000000000000001000000:|0000000000000000FFFF00000100007F:"
    )
    assert len(ours) == 3
    assert [address for address in listening if not loopback.match(address)] == []
    record("listeners of a run of two ranks", listeners=len(listening), beyond_loopback=0)


def test_a_secret_is_nowhere(laboratory: Laboratory) -> None:
    laboratory.environment["HF_TOKEN"] = SECRET
    laboratory.environment["MOAI_TUI_WEBHOOK"] = f"https://example.invalid/{SECRET}"
    run = laboratory.start("mine", "--steps", "100000", "--set", "sample.count=0")
    tail = Tail(run)
    wait_until(lambda: any(row["type"] == "step" for row in tail.read()), 300)
    for pid in processes_of(run.name, laboratory.place):
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    printed = "".join(
        laboratory.moai(*words).stdout
        for words in (["show", run.name], ["logs", run.name], ["events", run.name], ["doctor"])
    )
    laboratory.moai("stop", run.name)
    laboratory.wait_for_end(run.name)
    assert SECRET not in printed
    kept = [
        path
        for path in laboratory.place.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()
    ]
    assert kept == []
    record("a planted token", found_in_files=0, found_on_argv=0, found_on_screen=0)


def test_modules_planted_in_the_current_folder_are_not_imported(laboratory: Laboratory) -> None:
    for name in ("torch", "json", "sitecustomize", "yaml", "msgspec", "textual", "typing"):
        planted = laboratory.place / f"{name}.py"
        planted.write_text(f"open({str(laboratory.place / 'canary')!r}, 'w').write({name!r})\n")
    run = laboratory.start("mine", *QUICK)
    assert laboratory.wait_for_end(run.name)["state"] == "finished"
    for words in (["data", str(laboratory.rows())], ["generate", run.name, "--prompt", "alpha"]):
        laboratory.moai(*words)
    assert not (laboratory.place / "canary").exists()


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc", "-rf", "a/b", "a\nb", "a" * 300, "$(touch canary)", ".hidden", "\u202ea"],
)
def test_a_name_is_one_component_or_refused(laboratory: Laboratory, name: str) -> None:
    refused = laboratory.moai(
        "train", "--dataset", str(laboratory.rows()), f"--name={name}", *QUICK, ok=False
    )
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert not list((laboratory.place / "home").rglob("x"))
    assert not list(laboratory.place.rglob("canary"))


TEMPLATES = {
    "reaches into python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "never ends": "{% set m = range(99999) %}{% for a in m %}{% for b in m %}{% for c in m %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "writes too much": "{% for a in range(99999) %}{{ 'x' * 100000 }}{% endfor %}",
    "asks for too much": "{{ 'x' * 10000000000 }}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_hostile_chat_template_ends_in_one_sentence(
    laboratory: Laboratory, template: str
) -> None:
    made = laboratory.start("made", *QUICK)
    laboratory.wait_for_end(made.name)
    model = laboratory.place / "model"
    shutil.copytree(made / "model", model)
    (model / "chat_template.jinja").write_text(template)
    for unwanted in ("prompt_format.json", "moai_prompt.json"):
        (model / unwanted).unlink(missing_ok=True)
    rows = laboratory.place / "chat.jsonl"
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    rows.write_text("\n".join(json.dumps({"messages": talk}) for _ in range(20)))
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -v 8000000; exec "$@"', "sh", sys.executable, "-P", "-m", "moai_tui",
         "train", "--model", str(model), "--dataset", str(rows), *QUICK],
        env=laboratory.environment, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert limited.returncode == 2, limited.stdout + limited.stderr
    assert "template" in limited.stderr
    assert "Traceback" not in limited.stderr
