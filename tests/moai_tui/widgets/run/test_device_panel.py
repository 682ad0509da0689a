"""Memory and utilization of the run's devices."""

from __future__ import annotations

from dataclasses import replace

from moai_tui.messages import RunUpdated
from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.device_panel import DevicePanel, devices_of
from moai_tui.widgets.run.run_status import RunFacts
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import text_of


def panel(update: RunUpdated | None = None, cards: int = 0, readings: int = 30) -> DevicePanel:
    widget = DevicePanel(signs=UNICODE)
    update = update or scripted_run.updated(scripted_run.training(50))
    widget.show(RunFacts(update.view, update.summary))
    for message in scripted_run.readings(readings, cards):
        widget.take(message.devices, message.error)
    return widget


def test_one_device_in_full() -> None:
    text = text_of(panel().build(46, 9)).split("\n")
    assert text[1] == "0  AMD EPYC 9354 (2 cores) · 23.5 GiB"
    assert text[2].split()[:3] == ["memory", "2.39", "GiB"]
    assert text[3].split()[:2] == ["utilization", "96%"]
    assert "▇" in text[3]
    assert text[4].split() == ["peak", "1.74", "GiB"]
    assert text[5].split() == ["predicted", "1.90", "GiB", "peak", "8%", "below"]


def test_a_peak_above_the_prediction_is_said() -> None:
    update = scripted_run.updated(scripted_run.training(50), predicted_memory_bytes=2**30)
    assert "peak 74% above" in text_of(panel(update).build(46, 9))


def test_eight_cards_take_a_line_each_and_the_rest_is_counted() -> None:
    text = text_of(panel(cards=8).build(46, 9)).split("\n")
    assert text[0].endswith("8 devices")
    assert text[1].startswith("  0  61.2 GiB")
    assert "and 3 more" in text
    assert any(row.startswith("peak") for row in text)
    assert len(text) <= 9
    assert max(map(len, text)) <= 46


def test_a_lost_device_says_so() -> None:
    widget = panel()
    lost = replace(
        scripted_run.cpu(), error="the driver no longer answers", utilization_percent=None
    )
    widget.take((lost,), None)
    text = text_of(widget.build(60, 9))
    assert "the driver no longer answers" in text
    assert "utilization  –" in text


def test_a_late_reader_is_told() -> None:
    widget = panel()
    widget.take((scripted_run.cpu(),), "the driver has not answered for 12 s")
    assert "has not answered" in text_of(widget.build(60, 9))


def test_only_the_runs_own_devices_are_shown() -> None:
    summary = scripted_run.updated(scripted_run.training(5)).summary
    mine = scripted_run.cpu()
    free = replace(mine, held_by=None)
    others = replace(mine, held_by="another-run")
    assert devices_of(summary, (mine,)) == (mine,)
    assert devices_of(summary, (free,)) == (free,)
    assert devices_of(summary, (others,)) == ()
    assert "not held now" in text_of(DevicePanel(signs=UNICODE).build(40, 5))


def test_history_stays_bounded() -> None:
    widget = panel(readings=2000)
    assert len(widget.build(46, 9)) <= 9
    assert max(map(len, text_of(widget.build(46, 9)).split("\n"))) <= 46


def test_a_slow_or_hot_device_is_named_once_it_is_sure() -> None:
    cards = tuple(
        replace(scripted_run.card(index), clock_mhz=1410 if index == 3 else 1980)
        for index in range(4)
    )
    widget = panel(cards=4, readings=1)
    for reading in range(3):
        assert "slow" not in text_of(widget.build(46, 9)), reading
        widget.take(cards, None)
    text = text_of(widget.build(46, 9)).split("\n")
    assert text[0].endswith("! 3 slow: 1,410 MHz, others 1,980")
    assert text[4].startswith("  3! ")
    assert text[1].startswith("  0  ")
    hot = tuple(replace(card, temperature_celsius=60.0 + 25 * (card.index == 1)) for card in cards)
    for _ in range(3):
        widget.take(hot, None)
    assert "! 1 hot: 85 °C, others 60 and 1 more" in text_of(widget.build(60, 9))
    for _ in range(3):
        widget.take(tuple(scripted_run.card(index) for index in range(4)), None)
    assert text_of(widget.build(46, 9)).split("\n")[0].endswith("4 devices")
