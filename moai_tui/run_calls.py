"""Wishes about runs, carried out: each is answered with a message and never raises.

`live` runs them in threads of their own; nothing here starts one or touches a widget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from moai_tui.core_calls import resume_answer, sentence
from moai_tui.messages import (
    ActionEnded,
    ControlRequested,
    FormFilled,
    FormWanted,
    ReadRun,
    RestoreWanted,
    RunsToCompareRead,
    RunsToCompareWanted,
    RunWish,
    TrashWanted,
    WordsChanged,
    WordsRead,
    WordsWanted,
)
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.run.record.directory import RunDirectory

ANSWER_SECONDS = 20.0
"""How long a run's answer is waited for before it is only said that it was asked."""

DONE = {
    "pause": "The run pauses",
    "resume": "The run goes on",
    "save": "The run saves a checkpoint",
    "set": "The run goes on with the new learning rate",
    "extend": "The run has more steps to go",
}
"""What is said where the run's own answer is a bare yes."""


def carry_out(wish: RunWish) -> Message:
    """Do what a screen wished and return the answer."""
    match wish:
        case ControlRequested():
            answer = _acted(wish.run_id, "The run could not be asked", lambda: _control(wish))
        case RunsToCompareWanted():
            answer = _read_runs(wish.run_ids)
        case FormWanted():
            answer = _filled(wish.run_id)
        case WordsWanted():
            answer = _acted(wish.run_id, "The run cannot be read", lambda: _words(wish.run_id))
        case WordsChanged():
            answer = _acted(wish.run_id, "The words were not kept", lambda: _change_words(wish))
        case TrashWanted():
            answer = _moved(wish.folders, _to_trash, "in the trash; u undoes it")
        case RestoreWanted():
            answer = _moved(wish.folders, _from_trash, "back")
        case _:
            raise AssertionError(f"no wish about runs: {wish!r}")
    return answer


def _control(wish: ControlRequested) -> ActionEnded:
    from trainer_core.run.processes.process import supervisor_alive
    from trainer_core.run.record.control import send_request, wait_for_answer

    directory = _find(wish.run_id)
    if not supervisor_alive(directory):
        if wish.action == "resume":
            return resume_answer(wish.run_id)
        return ActionEnded(wish.run_id, "This run is not running; nothing was changed.", False)
    request = send_request(directory.path, wish.action, **dict(wish.arguments))
    answer = wait_for_answer(directory.path, request, ANSWER_SECONDS)
    if answer is None:
        return ActionEnded(wish.run_id, "The run was asked; it answers when it can.", True)
    words = show_line(answer.text, 300)
    if not words:
        at = f" at step {answer.step:,}" if answer.step is not None else ""
        words = f"{DONE[wish.action]}{at}."
    return ActionEnded(wish.run_id, words[0].upper() + words[1:], answer.ok)


def _read_runs(run_ids: Sequence[str]) -> RunsToCompareRead:
    from trainer_core.run.overview.summarize import read_view, summarize

    read: list[ReadRun] = []
    problem = None
    for run_id in run_ids:
        try:
            directory = _find(run_id)
            view = read_view(directory)
            read.append(ReadRun(summarize(directory, view), view, directory.config()))
        except Exception as error:  # the outermost line of the thread, once a run
            problem = sentence(error, f"Run {run_id} cannot be read")
    return RunsToCompareRead(tuple(read), tuple(run_ids), problem)


def _filled(run_id: str) -> FormFilled:
    from trainer_core.run.overview.summarize import read_view

    try:
        directory = _find(run_id)
        ended = read_view(directory).training_ended
        change = tuple(ended.change.items()) if ended else ()
        return FormFilled(run_id, directory.config(), change=change)
    except Exception as error:  # the outermost line of the thread
        return FormFilled(run_id, None, sentence(error, "The run's configuration cannot be read"))


def _words(run_id: str) -> WordsRead:
    from trainer_core.run.record.directory import read_meta
    from trainer_core.run.storage.trash import content_of

    directory = _find(run_id)
    meta, content = read_meta(directory), content_of(directory)
    return WordsRead(run_id, meta.name or "", meta.tags, meta.notes, content.size_bytes,
                     content.checkpoints, content.has_model)  # fmt: skip


def _change_words(wish: WordsChanged) -> ActionEnded:
    from trainer_core.run.record.directory import change_meta

    change_meta(_find(wish.run_id), name=wish.name, tags=wish.tags, notes=wish.notes)
    return ActionEnded(wish.run_id, "Kept.", True)


def _moved(folders: Sequence[str], move: Callable[[RunDirectory], None], where: str) -> ActionEnded:
    """Move runs one by one; the first that cannot be moved is what is said."""
    from trainer_core.run.record.directory import RunDirectory

    for folder in folders:
        directory = RunDirectory(Path(folder))
        try:
            move(directory)
        except Exception as error:  # the outermost line of the thread
            text = sentence(error, f"Run {directory.id} stays where it is")
            return ActionEnded(directory.id, text, False)
    what = f"{len(folders)} runs are" if len(folders) > 1 else "The run is"
    return ActionEnded(Path(folders[0]).name, f"{what} {where}.", True)


def _to_trash(directory: RunDirectory) -> None:
    from trainer_core.run.storage.trash import trash_run

    trash_run(directory)


def _from_trash(directory: RunDirectory) -> None:
    from trainer_core.run.storage.trash import restore_run

    restore_run(directory)


def _acted(run_id: str, failure: str, act: Callable[[], Message]) -> Message:
    try:
        return act()
    except Exception as error:  # the outermost line of the thread
        return ActionEnded(run_id, sentence(error, failure), False)


def _find(run_id: str) -> RunDirectory:
    from trainer_core.run.record.directory import find_run

    return find_run(run_id)
