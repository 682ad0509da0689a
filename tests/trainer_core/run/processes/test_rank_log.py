from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.run.processes import rank_log
from trainer_core.run.processes.rank_log import RankLog, read_tail


def test_lines_come_through_the_border_even_in_pieces(tmp_path: Path) -> None:
    log = RankLog(tmp_path / "rank-0.log")
    for block in (b"plain\nti", b"tle \x1b]0;own", b"ed\x07\nlast"):
        log.feed(block)
    log.close()
    assert (tmp_path / "rank-0.log").read_text() == "plain\ntitle ␛]0;owned␇\nlast\n"


def test_a_progress_bar_leaves_its_last_state(tmp_path: Path) -> None:
    log = RankLog(tmp_path / "log")
    log.feed(b"  1%\r 50%\r100%\r\n")
    log.close()
    assert (tmp_path / "log").read_text() == "100%\n"


def test_an_endless_line_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    log = RankLog(tmp_path / "log")
    for _ in range(40):
        log.feed(b"x" * 10_000)
    log.feed(b"y\nnext\n")
    log.close()
    first, second = (tmp_path / "log").read_text().splitlines()
    assert second == "next"
    assert len(first) <= 4000


def test_the_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_log, "FILE_BYTES", 1000)
    log = RankLog(tmp_path / "log")
    for number in range(500):
        log.feed(f"line {number}\n".encode())
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 1100
    assert "line 499" in read_tail(tmp_path / "log")


def test_a_full_disk_takes_lines_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    log = RankLog(tmp_path / "log")
    monkeypatch.setattr(rank_log.os, "write", full)
    log.feed(b"lost\n")
    monkeypatch.undo()
    log.feed(b"kept\n")
    log.close()
    assert (tmp_path / "log").read_text() == "kept\n"


def test_a_missing_log_has_an_empty_tail(tmp_path: Path) -> None:
    assert read_tail(tmp_path / "none") == ""
