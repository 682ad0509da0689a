"""`python -m trainer_core …`: the training core without the dashboard.

The engine (and with it torch) is imported inside the commands that need it only.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer_core.errors import UserError, unwritable
from trainer_core.foreign_text import show

USER_MISTAKE = 2
LAUNCHERS = ("TORCHELASTIC_RUN_ID", "SLURM_STEP_ID")
"""Variables of another launcher that starts ranks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, 2 for a mistake of the user."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": _train,
        "supervise": _supervise,
        "rank": _rank,
        "data": _data,
        "accelerators": _accelerators,
        "calibrate": _calibrate,
        "ready": _ready,
        "generate": _generate,
        "export": _export,
    }
    if not arguments or arguments[0] not in commands:
        asked = bool(arguments) and arguments[0] in ("-h", "--help")
        print(_usage(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else USER_MISTAKE
    try:
        return commands[arguments[0]](arguments[1:])
    except UserError as error:
        return _refused(error)
    except OSError as error:
        # In a rank or a supervisor it may come from anywhere; there the traceback tells more.
        if error.filename is None or arguments[0] in ("rank", "supervise"):
            raise
        return _refused(unwritable(error))


def _refused(error: UserError) -> int:
    print(show(str(error)), file=sys.stderr)  # noqa: T201 - a command's output
    return USER_MISTAKE


def _usage() -> str:
    return (
        "usage: python -m trainer_core COMMAND …\n"
        "  train CONFIG      train in the foreground, without the dashboard\n"
        "  data SOURCE       what a model would see of a dataset\n"
        "  generate RUN      text from a checkpoint\n"
        "  export RUN DIR    the Hugging Face folder of a run\n"
        "  accelerators      the devices of this machine, as JSON lines\n"
        "  calibrate         how fast the first device is\n"
        "  ready             whether this interpreter can train\n"
        "  rank FOLDER       one rank of a run (started by its supervisor)\n"
        "  supervise FOLDER  own a run to its end (started by `train`)"
    )


def _train(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer_core train")
    parser.add_argument("config", help="a YAML file or the id of a preset")
    options = parser.parse_args(argv)
    from trainer_core.run.supervision.foreground import train_in_foreground

    return train_in_foreground(options.config)


def _supervise(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer_core supervise")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--report", type=int, help="file descriptor to say on how the start went")
    parser.add_argument("--other-devices", action="store_true", help="another kind than before")
    options = parser.parse_args(argv)
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the ranks inherit it
    if os.fork() != 0:
        # The second fork: not a session leader, so it can never get a terminal, and nobody's
        # child, so nobody has to wait for it.
        os._exit(0)
    from trainer_core.run.supervision.supervisor import supervise

    return supervise(options.folder, _reporter(options.report), other_devices=options.other_devices)


def _reporter(descriptor: int | None) -> Callable[[bytes], None]:
    def report(text: bytes) -> None:
        if descriptor is None:
            sys.stderr.buffer.write(text)
            return
        try:
            os.write(descriptor, text)
            os.close(descriptor)
        except OSError:
            return  # who started the run is gone; the run is not

    return report


def _rank(argv: list[str]) -> int:
    from trainer_core.run.processes.identity import die_with_parent

    supervisor = os.environ.get("MOAI_TUI_SUPERVISOR_PID")
    die_with_parent(int(supervisor) if supervisor else None)
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m trainer_core rank")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(argv)
    if not supervisor and any(name in os.environ for name in LAUNCHERS):
        raise UserError(
            "a rank is started by its run's supervisor; under torchrun or Slurm start "
            "`-m moai_tui train CONFIG --foreground` for each rank instead"
        )
    from trainer_core.run.processes.stacks import stacks_path, write_stacks_on_signal

    write_stacks_on_signal(stacks_path(options.folder / "logs", int(os.environ.get("RANK", "0"))))
    stand_in = os.environ.get("MOAI_TUI_TEST_RANK")
    if stand_in:
        # Tests of the supervisor put a small program in the place of the engine.
        import runpy

        runpy.run_path(stand_in, init_globals={"run_folder": options.folder}, run_name="rank")
        return 0
    from trainer_core.engine.rank import main as rank_main

    code = rank_main(options.folder)
    sys.stdout.flush()
    sys.stderr.flush()
    # After a failure threads of torch's transports may still wait for a peer; taking the process
    # apart around them aborts it, and the cause would be told as a crash in native code.
    os._exit(code)


def _calibrate(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer_core calibrate")
    parser.add_argument("--ranks", type=int, default=1, help="of this host")
    parser.add_argument("--meeting", help="a file that is not there yet, where two ranks meet")
    options = parser.parse_args(argv)
    from trainer_core.engine.calibration import main as calibration_main

    return calibration_main(options.ranks, options.meeting)


def _data(argv: list[str]) -> int:
    if "--progress" in argv:
        # Read for a form or a start: without them nobody wants the rows, or their download.
        from trainer_core.run.processes.identity import die_with_parent

        die_with_parent(None)
    from trainer_core.engine.data.report import main as data_main

    return data_main(argv)


def _accelerators(argv: list[str]) -> int:
    from trainer_core.accelerators.watch import main as watch_main

    return watch_main(argv)


def _ready(_argv: list[str]) -> int:
    from trainer_core.run.processes.worker_ready import main as ready_main

    return ready_main()


def _generate(argv: list[str]) -> int:
    from trainer_core.engine.generate import main as generate_main

    return generate_main(argv)


def _export(argv: list[str]) -> int:
    from trainer_core.engine.model_folder import export_main

    return export_main(argv)


if __name__ == "__main__":
    sys.exit(main())
