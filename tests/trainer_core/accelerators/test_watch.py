"""Readings as lines of JSON that come back whole."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import msgspec
import pytest

from trainer_core.accelerators.base import DeviceProcess, Framework
from trainer_core.accelerators.inventory import Inventory
from trainer_core.accelerators.watch import decode, encode, main, watch
from trainer_core.errors import UserError


def test_a_reading_comes_back_as_it_was(card) -> None:
    device = card(processes=(DeviceProcess(pid=1, user="bob"),), topology=("numa0",), cores=(1,))
    sent = Inventory(devices=(device,), notes=("n",), framework=Framework(current="1"))
    line = encode(sent)
    assert b"\n" not in line
    assert decode(line) == sent


def test_an_unknown_field_is_ignored_and_half_a_line_is_an_error(card) -> None:
    line = encode(Inventory(devices=(card(),)))
    newer = json.loads(line)
    newer["devices"][0]["invented_later"] = 1
    assert decode(json.dumps(newer).encode()).devices == (card(),)
    with pytest.raises(msgspec.DecodeError):
        decode(line[:-5])


def test_lines_come_until_the_reader_is_gone(card) -> None:
    class Reader(io.BytesIO):
        def write(self, data: bytes) -> int:
            if self.getvalue().count(b"\n") == 2:
                raise BrokenPipeError
            return super().write(data)

    out = Reader()
    code = watch(0.0, out, read=lambda: Inventory(devices=(card(),)), parent=os.getppid())
    assert code == 0
    assert [decode(line).devices for line in out.getvalue().splitlines()] == [(card(),)] * 2


def test_the_end_of_the_parent_is_the_end(card) -> None:
    out = io.BytesIO()
    assert watch(60.0, out, read=lambda: Inventory(devices=(card(),)), parent=-1) == 0
    assert out.getvalue().count(b"\n") == 1


def test_a_wrong_setting_ends_it_with_one_sentence(capsys) -> None:
    def read() -> Inventory:
        raise UserError("MOAI_TUI_CPU_DEVICES: no number")

    assert watch(0.0, io.BytesIO(), read=read) == 2
    assert capsys.readouterr().err == "MOAI_TUI_CPU_DEVICES: no number\n"


def test_once_prints_one_line(capfdbinary) -> None:
    assert main([]) == 0
    sys.stdout.flush()
    assert decode(capfdbinary.readouterr().out.strip()).devices


def test_a_real_child_prints_lines_and_ends_with_its_pipe() -> None:
    command = "from trainer_core.accelerators.watch import main; main(['--watch', '0.2'])"
    child = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(2)]
    child.stdout.close()
    assert child.wait(timeout=20) == 0
    assert all(decode(line).devices for line in lines)
