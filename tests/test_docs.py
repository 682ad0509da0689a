"""What README and docs tell people to type can be typed; what they show lies in the repo."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from moai_tui.__main__ import COMMANDS, command_app

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?ms)^```(?:sh|console)\n(.*?)^```$")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)|(?<!!)\[[^\]]*\]\(((?!https?:)[^)#]+)\)")


def typed_commands() -> list[tuple[str, str]]:
    """Return (document, command line) of every `moai-tui` line in a block of a document."""
    found = []
    for document in DOCUMENTS:
        for block in BLOCK.findall(document.read_text(encoding="utf-8")):
            for line in block.splitlines():
                typed = line.removeprefix("$ ").split("#")[0]
                if "moai-tui" in typed and (line.startswith("$ ") or line.startswith("moai-tui")):
                    found += [(document.name, part) for part in re.split(r"[;|&]+", typed)]
    return [(name, part.strip()) for name, part in found if "moai-tui" in part]


@pytest.mark.parametrize(("document", "typed"), typed_commands())
def test_every_command_line_is_understood(document: str, typed: str) -> None:
    """Parsed by the real command line: an unknown command, flag or missing argument fails."""
    words = shlex.split(typed.split(">", maxsplit=1)[0])
    arguments = words[words.index("moai-tui") + 1 :]
    if not arguments:
        return
    assert arguments[0] in COMMANDS, f"{document}: {typed}"
    if arguments[0] in ("smi", "switch", "device", "doctor"):
        return  # they read their own arguments; their tests hold them
    command = typer.main.get_command(command_app([arguments[0]]))
    context = command.make_context("moai-tui", list(arguments), resilient_parsing=False)
    name, inner, rest = command.resolve_command(context, list(arguments))  # type: ignore[attr-defined]
    assert name == arguments[0]
    inner.make_context(name, rest, parent=context)


def test_there_is_something_to_type() -> None:
    assert len(typed_commands()) > 15


def test_make_knows_the_commands_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", text)):
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_pictures_and_links_lead_somewhere(document: Path) -> None:
    for picture, link in PICTURE.findall(document.read_text(encoding="utf-8")):
        target = document.parent / (picture or link)
        assert target.exists(), f"{document.name}: {picture or link} is missing"


def test_every_command_of_the_program_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"{name}" not in text] == []


def test_the_refresher_finds_commands_and_keeps_the_rest(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("before\n```console\n$ echo one\nold\n$ echo two >&2; exit 3\n```\nafter\n")
    subprocess.run([sys.executable, str(ROOT / "docs" / "refresh.py"), str(document)], check=True)
    assert document.read_text() == (
        "before\n```console\n$ echo one\none\n$ echo two >&2; exit 3\ntwo\n```\nafter\n"
    )
