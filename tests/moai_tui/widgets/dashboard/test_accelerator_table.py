from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len
from textual.app import App

from moai_tui import theming
from moai_tui.widgets.dashboard.accelerator_table import AcceleratorTable, sum_line


class TableApp(App[None]):
    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield AcceleratorTable()


def words(line):
    return "".join(text for text, _ in line)


async def test_an_idle_accelerator_shows_dashes_and_a_held_one_its_sums(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        table = app.query_one(AcceleratorTable)
        assert table.plain == "reading accelerators …"
        reading = facts.reading(facts.cards(), 2, 1)
        table.show_reading(reading.rows, reading.devices)
        await pilot.pause()
        rows = [row.split() for row in table.plain.splitlines()]
        held = "* 0 MoAI Accelerator Medium.160GB 114688 MiB 163118 MiB 96%".split()
        assert rows[2] == held
        assert rows[3] == "1 MoAI Accelerator Small.80GB - - -".split()


async def test_rows_fit_every_width(facts):
    app = TableApp()
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        table = app.query_one(AcceleratorTable)
        odd = (*facts.cards(3), replace(facts.cards()[3], name="A" * 60, error="lost " * 40))
        for devices in (facts.cards(), odd):
            reading = facts.reading(devices, 2)
            table.show_reading(reading.rows, devices, "a note that is far too long " * 9)
            for width in (60, 80, 100, 120, 160, 300):
                await pilot.resize_terminal(width, 40)
                await pilot.pause()
                longest = max(cell_len(words(line).rstrip()) for line in table.lines)
                assert longest <= width - 2, width


async def test_an_unknown_figure_is_a_dash_never_zero(facts):
    app = TableApp()
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.pause()
        blind = replace(
            facts.cards()[1],
            memory_used_bytes=None,
            utilization_percent=None,
            temperature_celsius=None,
            power_watts=None,
        )
        reading = facts.reading((blind, facts.cards()[0]), 1)
        table = app.query_one(AcceleratorTable)
        table.show_reading(reading.rows, reading.devices)
        await pilot.pause()
        assert table.plain.splitlines()[2].split()[-4:] == ["-", "81559", "MiB", "-"]
        device = next(row for row in table.plain.splitlines() if row.split()[:1] == ["1"])
        assert "–" in device
        assert "0%" not in device
        assert "0/" not in device


def test_the_sum_tells_who_holds_what(facts):
    cards = facts.cards()
    assert words(sum_line(cards, {})) == "8 devices: 5 idle, 1 bob, 2 me"
    mine = {"20261124-110203-aaaaaa": "x"}
    assert words(sum_line(cards, mine)) == "8 devices: 5 idle, 1 bob, 2 you"
    hidden = replace(cards[0], processes_hidden=True)
    lost = replace(cards[3], error="GPU is lost")
    barred = replace(cards[4], permitted=False)
    assert words(sum_line((hidden, lost, barred), {})) == (
        "3 devices: 1 in use, 1 lost, 1 not permitted"
    )


async def test_with_little_room_the_rest_is_a_number(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        table = app.query_one(AcceleratorTable)
        reading = facts.reading(facts.cards(), 1)
        table.set_room(3)
        table.show_reading(reading.rows, reading.devices)
        assert "and 5 more; `moai-tui smi -p` lists them all" in table.plain
        rows = [row.split()[0] for row in table.plain.splitlines() if row[:6].strip().isdigit()]
        assert rows[-3:] == ["1", "2", "5"], "the held ones, in their order"
        table.toggle()
        assert "more" not in table.plain
        table.toggle()
        table.set_room(0)
        assert "and 8 more" in table.plain


async def test_commands_of_strangers_are_literal(facts):
    app = TableApp()
    async with app.run_test(size=(160, 24)) as pilot:
        await pilot.pause()
        card = facts.cards()[5]
        process = replace(card.processes[0], command="[b]x[/b]\x1b]0;title\x07", user="b\x1bob")
        reading = facts.reading((replace(card, processes=(process,)), facts.cards()[0]), 1)
        table = app.query_one(AcceleratorTable)
        table.show_reading(reading.rows, reading.devices)
        await pilot.pause()
        assert "b␛ob · [b]x[/b]␛]0;title␇" in table.plain


async def test_the_same_reading_paints_nothing(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        table = app.query_one(AcceleratorTable)
        reading = facts.reading(facts.cpu)
        table.show_reading(reading.rows, reading.devices)
        await pilot.pause()
        painted = []
        table.refresh = lambda *regions, **options: painted.append(regions)
        busy = (replace(facts.cpu[0], utilization_percent=55.0, memory_used_bytes=2**33),)
        again = facts.reading(busy)
        table.show_reading(again.rows, again.devices)
        assert painted == [], "an idle accelerator shows no figures that could move"
