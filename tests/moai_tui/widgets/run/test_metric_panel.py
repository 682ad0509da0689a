"""Numbers with their histories."""

from __future__ import annotations

import msgspec

from moai_tui.messages import RunUpdated
from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.metric_panel import MetricPanel
from moai_tui.widgets.run.run_status import RunFacts
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import text_of


def rows(update: RunUpdated, width: int = 46, height: int = 12) -> list[str]:
    widget = MetricPanel(signs=UNICODE)
    widget.show(RunFacts(update.view, update.summary))
    return text_of(widget.build(width, height)).split("\n")


def test_every_number_of_a_running_run() -> None:
    text = rows(scripted_run.updated(scripted_run.training(250), mfu=0.412))
    found = {row[:14].strip(): row[14:].strip() for row in text[1:]}
    assert text[0].endswith("epoch 4.15")
    assert found["train loss"] == "2.4410"
    assert found["eval loss"].split() == ["2.4944", "1.31", "bits/byte"]
    assert found["tokens/s"].split()[0] == "23,688"
    assert found["with padding"] == "38,263"
    assert found["MFU"] == "41.2%"
    assert " ".join(found["step time"].split()) == "426 ms 1% data wait"
    assert found["learning rate"].split()[0] == "6.66e-04"
    assert found["grad norm"].startswith("0.7")
    assert found["tokens seen"] == "2,539,312"


def test_unknown_is_a_dash_never_a_zero() -> None:
    text = rows(scripted_run.updated(scripted_run.queued(), "queued"))
    assert all(row.endswith("–") for row in text[1:])


def test_the_peak_behind_mfu_is_named() -> None:
    story = scripted_run.training(20)
    update = scripted_run.updated(story, mfu=0.5)
    started = update.view.started
    assert started is not None
    update.view.started = msgspec.structs.replace(started, peak_flops=989e12)
    assert "of 989 TFLOPS bf16" in "\n".join(rows(update, 60))


def test_a_steady_speed_is_a_flat_full_strip_and_the_rate_rises_then_falls() -> None:
    text = rows(scripted_run.updated(scripted_run.training(600)))
    speed = next(row for row in text if row.startswith("tokens/s")).split()[-1]
    assert set(speed) == {"▇"}
    rate = next(row for row in text if row.startswith("learning rate")).split()[-1]
    assert rate.index("▇") < len(rate) // 3
    assert rate.endswith("▁")


def test_least_wanted_numbers_go_first_where_room_is_short() -> None:
    text = rows(scripted_run.updated(scripted_run.training(250)), height=4)
    assert [row.split()[0] for row in text] == ["Training", "train", "eval", "tokens/s"]


def test_nothing_is_wider_than_the_panel() -> None:
    for width in (26, 30, 38, 46, 80):
        assert max(map(len, rows(scripted_run.updated(scripted_run.training(50)), width))) <= width
