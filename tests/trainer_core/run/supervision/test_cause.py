from __future__ import annotations

import signal
from pathlib import Path

import pytest

from trainer_core.run.supervision import cause
from trainer_core.run.supervision.cause import cause_of_death, exception_in, oom_kill_count

LOG = """starting
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    main()
  File "b.py", line 2, in main
    raise RuntimeError("loss is not finite at step 3")
RuntimeError: loss is not finite at step 3
W1124 a warning after it
"""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed from outside (SIGKILL)"),
        (signal.SIGSEGV, "segmentation fault"),
        (signal.SIGBUS, "/dev/shm"),
        (40, "signal 40"),
        (signal.SIGUSR2, "SIGUSR2"),
    ],
)
def test_a_signal_is_told_in_words(number: int, words: str) -> None:
    text = cause_of_death(1, -number, "")
    assert words in text
    assert "rank 1" in text
    assert "-9" not in text


def test_the_kernel_killing_for_memory_is_told_apart() -> None:
    assert "host memory ran out" in cause_of_death(0, -9, "", oom_kills=1)
    assert "memory" not in cause_of_death(0, -11, "", oom_kills=1)
    elsewhere = cause_of_death(0, -9, "", host_oom_kills=1)
    assert "host memory has most likely run out" in elsewhere
    assert "memory" not in cause_of_death(0, -9, "")


def test_the_hosts_counter_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cause, "VMSTAT", tmp_path / "vmstat")
    assert cause.host_oom_kill_count() == 0
    (tmp_path / "vmstat").write_text("nr_free_pages 5\noom_kill 3\n")
    assert cause.host_oom_kill_count() == 3


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("RuntimeError: [pair.cc:547] Connection closed by peer [127.0.0.1]:5", True),
        ("DistBackendError: NCCL error in: x, remote process exited or network error", True),
        ("ValueError: row 7 has no columns", False),
    ],
)
def test_the_word_of_a_lost_peer_is_told_apart(text: str, echo: bool) -> None:
    assert cause.is_echo(text) is echo


def test_an_exception_is_told_with_its_last_lines() -> None:
    assert cause_of_death(0, 1, LOG) == (
        "RuntimeError: loss is not finite at step 3 "
        '(b.py, line 2, in main: raise RuntimeError("loss is not finite at step 3"))'
    )
    bare = "Traceback (most recent call last):\nKeyError: 3\nlook\nhere\n"
    assert exception_in(bare, message_lines=2) == "KeyError: 3 look"


def test_the_last_of_chained_exceptions_counts() -> None:
    chained = LOG + "\nDuring handling:\n\n" + LOG.replace("RuntimeError", "ValueError")
    assert (exception_in(chained) or "").startswith("ValueError")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "device memory"),
        ("MemoryError", "host memory"),
    ],
)
def test_memory_errors_come_in_plain_words(line: str, words: str) -> None:
    text = f"Traceback (most recent call last):\n  File 'x'\n{line}\n"
    assert (exception_in(text) or "").startswith(words)


def test_without_a_word_the_exit_code_is_all_there_is() -> None:
    assert cause_of_death(0, 3, "nothing here") == "rank 0 ended with exit code 3"


def test_a_rank_ended_by_its_supervisor_is_no_mystery() -> None:
    assert "by its supervisor" in cause_of_death(0, -15, "", ended_by_us=True)


def test_the_counter_can_be_read_or_is_zero() -> None:
    assert oom_kill_count() >= 0
