"""Starts the core in an interpreter it is not installed in: `python …/guest.py COMMAND …`.

The interpreter's own packages come first (its torch, its numpy); what it lacks of the small core
is taken from the environment that starts it, named by `MOAI_TUI_CORE_PACKAGES`. Runs on any
Python 3, so that an old one can be told so in a sentence.
"""

import os
import runpy
import sys

OLDEST = (3, 11)


def missing():  # type: () -> list[str]  # noqa: ANN201 - must parse on any Python 3
    """Return the names of the core's packages that cannot be imported here."""
    names = []
    for name in ("msgspec", "yaml", "psutil"):
        try:
            __import__(name)
        except ImportError:
            names.append(name)
    return names


def main():  # type: () -> None  # noqa: ANN201
    """Extend the module path and run `trainer_core` with this command line."""
    version = "{}.{}".format(*sys.version_info[:2])
    if sys.version_info[:2] < OLDEST:
        wanted = "{}.{}".format(*OLDEST)
        sys.stderr.write(
            f"worker.python: {sys.executable} is Python {version}; our worker needs {wanted} or "
            "newer: name another interpreter\n"
        )
        sys.exit(2)
    here = os.path.dirname(os.path.abspath(__file__))
    # A script's own folder stands first on the path: our `run` or `plan` would hide others'.
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    sys.path.append(os.path.dirname(here))
    sys.path.extend(filter(None, os.environ.get("MOAI_TUI_CORE_PACKAGES", "").split(os.pathsep)))
    lacking = missing()
    if lacking:
        sys.stderr.write(
            "worker.python: {0} (Python {1}) lacks {2}; run: {0} -m pip install msgspec pyyaml "
            "psutil\n".format(sys.executable, version, ", ".join(lacking))
        )
        sys.exit(2)
    runpy.run_module("trainer_core", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
