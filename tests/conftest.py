"""What every test starts from, whoever started the suite."""

from __future__ import annotations

import importlib.util
import os
import signal

import pytest

if importlib.util.find_spec("hypothesis"):  # a machine with a card need not have it
    from hypothesis import settings

    # The same examples in every run: what chance finds gets a test of its own.
    settings.register_profile("suite", derandomize=True)
    settings.load_profile("suite")
# One thread a process: the suite's processes share few cores, and spinning threads cost more
# than they bring. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing is asked of a network that may not be there.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> None:
    """Each test starts with HUP and INT as a person's terminal has them.

    A caller under nohup or a shell's background job hands on ignored ones, and a test that ran a
    supervisor in this process leaves them so.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
