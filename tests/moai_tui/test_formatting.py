from __future__ import annotations

import time

import pytest

from moai_tui import formatting as text


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (56.2 * 2**20, "56.2 MiB"),
        (1023.7 * 2**20, "1.00 GiB"),
        (80 * 2**30, "80.0 GiB"),
        (512 * 2**30, "512 GiB"),
        (3 * 2**40, "3.00 TiB"),
        (float("inf"), "–"),
    ],
)
def test_bytes(count, shown):
    assert text.bytes_text(count) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "–"), (812, "812"), (8120, "8.12k"), (999_900, "1.00M"), (13e9, "13.0B")],
)
def test_counts(count, shown):
    assert text.count_text(count) == shown


def test_memory_is_whole_mib_as_on_the_platform():
    assert text.mib_text(65520 * 2**20) == "65520 MiB"
    assert text.mib_text(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (-1, "–"),
        (0.84, "0.8s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (3725, "1h 02m"),
        (187_000, "2d 03h"),
        (float("nan"), "–"),
    ],
)
def test_durations(seconds, shown):
    assert text.duration_text(seconds) == shown


def test_a_moment_is_wall_clock_time_seen_from_now():
    now = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
    assert text.clock_text(now + 3600, now) == "13:00"
    assert text.clock_text(now + 86400, now) == time.strftime("%a", time.localtime(now + 86400)) + (
        " 12:00"
    )
    assert text.clock_text(now - 30 * 86400, now) == "2026-10-25"
    assert text.eta_text(3720, now) == "13:02 (in 1h 02m)"
    assert text.eta_text(None) == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (2.34567, "2.3457"), (11.5, "11.500"), ("nan", "nan"), ("inf", "inf")],
)
def test_losses_say_what_is_no_number(value, shown):
    assert text.loss_text(value) == shown


def test_rates_and_shares():
    assert text.rate_text(12401.4) == "12,401 tokens/s"
    assert text.rate_text(3.14) == "3.1 tokens/s"
    assert text.rate_text(None) == "–"
    assert text.byte_rate_text(31.2 * 2**20) == "31.2 MiB/s"
    assert text.percent_text(71.4) == "71%"
    assert text.percent_text("nan") == "–"
    assert text.fraction_text(0.4214) == "42.1%"
    assert text.whole_text(12401) == "12,401"


def test_ages_change_seldom():
    assert [text.age_text(age) for age in (None, 5, 65, 7300, 200_000)] == (
        ["–", "now", "1m", "2h", "2d"]
    )
