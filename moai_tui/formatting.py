"""Numbers as people read them: bytes, counts, rates, durations, times. Pure functions.

An unknown number is an en dash everywhere; nothing here guesses.
"""

from __future__ import annotations

import math
import time

UNKNOWN = "–"

KIB, MIB, GIB = 2**10, 2**20, 2**30


def number_of(value: object) -> float | None:
    """Return a finite number, or None for what is unknown, "nan" or "inf"."""
    try:
        number = float(value)  # type: ignore[arg-type]  # events hold numbers or "nan", "inf"
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def mib_text(count: int | None) -> str:
    """Return bytes as the platform's table shows them: `81559 MiB`."""
    return UNKNOWN if count is None else f"{round(count / MIB)} MiB"


def bytes_text(count: float | None) -> str:
    """Return bytes with three figures: `912 B`, `56.2 MiB`, `1.43 GiB`, `512 GiB`."""
    if count is None or not math.isfinite(count):
        return UNKNOWN
    if abs(count) < KIB:
        return f"{count:.0f} B"
    value, unit = count / KIB, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if abs(value) < 1023.5:
            break
        value, unit = value / 1024, larger
    return f"{_three_figures(value)} {unit}"


def count_text(count: float | None) -> str:
    """Return a count in few characters: `812`, `8.12k`, `2.05M`, `13.0B`."""
    if count is None or not math.isfinite(count):
        return UNKNOWN
    if abs(count) < 1000:
        return f"{count:.0f}"
    value, unit = float(count), ""
    for larger in ("k", "M", "B", "T"):
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{_three_figures(value)}{unit}"


def whole_text(count: int | None) -> str:
    """Return a whole number with its thousands apart: `12,401`."""
    return UNKNOWN if count is None else f"{count:,}"


def rate_text(per_second: float | None, unit: str = "tokens") -> str:
    """Return a speed: `12,401 tokens/s`; below ten with one decimal."""
    if per_second is None or not math.isfinite(per_second):
        return UNKNOWN
    figures = f"{per_second:.1f}" if abs(per_second) < 10 else f"{per_second:,.0f}"
    return f"{figures} {unit}/s"


def byte_rate_text(per_second: float | None) -> str:
    """Return a transfer speed: `31.2 MiB/s`."""
    return UNKNOWN if per_second is None else f"{bytes_text(per_second)}/s"


def percent_text(percent: float | None) -> str:
    """Return 0–100 as `71%`."""
    number = number_of(percent)
    return UNKNOWN if number is None else f"{number:.0f}%"


def fraction_text(fraction: float | None) -> str:
    """Return 0–1 as `42.1%`, for `mfu`."""
    number = number_of(fraction)
    return UNKNOWN if number is None else f"{100 * number:.1f}%"


def loss_text(value: object) -> str:
    """Return a loss with four decimals below ten; what is not a number is said as written."""
    number = number_of(value)
    if number is not None:
        return f"{number:.4f}" if abs(number) < 10 else f"{number:.3f}"
    return UNKNOWN if value is None else str(value)[:8]


def duration_text(seconds: float | None) -> str:
    """Return a span in two units: `0.8s`, `42s`, `3m 05s`, `1h 02m`, `2d 04h`."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def download_text(done: int, total: int | None, seconds: float) -> str:
    """Return how far a download is: `12.3 MiB of 40.0 MiB, 3.10 MiB/s, 8.9s left`.

    Args:
        done: Bytes here.
        total: Bytes in all; None where nobody says.
        seconds: Since it began.
    """
    parts = [bytes_text(done) + (f" of {bytes_text(total)}" if total else "")]
    if done and seconds >= 1:
        rate = done / seconds
        parts.append(byte_rate_text(rate))
        if total and total > done:
            parts.append(f"{duration_text((total - done) / rate)} left")
    return ", ".join(parts)


def age_text(seconds: float | None) -> str:
    """Return how long ago in one unit, so that it seldom changes: `now`, `5m`, `3h`, `12d`."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    return f"{int(seconds // 3600)}h" if seconds < 86400 else f"{int(seconds // 86400)}d"


def clock_text(moment: float | None, now: float | None = None) -> str:
    """Return a moment as local wall-clock time: `17:40`, on another day `Fri 09:15` or a date.

    Args:
        moment: Unix time in seconds.
        now: Unix time the moment is seen from; None is the present.
    """
    if moment is None or not math.isfinite(moment):
        return UNKNOWN
    then, here = time.localtime(moment), time.localtime(now)
    if (then.tm_year, then.tm_yday) == (here.tm_year, here.tm_yday):
        return time.strftime("%H:%M", then)
    near = abs(moment - time.mktime(here)) < 6 * 86400
    return time.strftime("%a %H:%M" if near else "%Y-%m-%d", then)


def eta_text(seconds_left: float | None, now: float | None = None) -> str:
    """Return when it will be over, and how long that is: `17:40 (in 1h 02m)`."""
    if seconds_left is None or not math.isfinite(seconds_left):
        return UNKNOWN
    start = time.time() if now is None else now
    return f"{clock_text(start + seconds_left, now)} (in {duration_text(seconds_left)})"


def _three_figures(value: float) -> str:
    size = abs(value)
    if size < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if size < 99.95 else f"{value:.0f}"
