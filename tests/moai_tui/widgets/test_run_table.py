from __future__ import annotations

import msgspec
from rich.cells import cell_len
from textual.app import App

from moai_tui import theming
from moai_tui.widgets.run_table import RunTable


class TableApp(App[None]):
    def __init__(self):
        super().__init__()
        self.opened = []

    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield RunTable(empty=[[("Nothing here.", "")]])

    def on_run_table_opened(self, event):
        self.opened.append((event.control, event.run.id))


async def shown(pilot, app, runs):
    await pilot.pause()
    table = app.query_one(RunTable)
    table.focus()
    table.show_runs(tuple(runs))
    await pilot.pause()
    return table


async def test_a_row_tells_state_name_subject_and_numbers(facts, frozen_clock):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, facts.runs().runs)
        rows = table.plain.splitlines()
        assert rows[0].split() == "State Run Model · dataset Step Loss Tok/s Ends".split()
        first = "● running alpaca-13b cerebras-gpt-13b · … 120/400 1.2345 9,549 13:02"
        assert rows[2].split() == first.split()
        assert "◌ queued" in rows[3]
        assert "tokeniz" in rows[4], "before step 1 the phase stands for the step"
        assert rows[5].endswith("3h ago")
        assert " nan " in rows[6]
        assert "120/1.20M" in rows[6]


async def test_no_row_is_wider_than_the_table(facts, frozen_clock):
    app = TableApp()
    long = facts.run(7, name="한국어 " * 30, model="m/" + "x" * 90, dataset="d" * 300)
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, (*facts.runs().runs, long))
        for width in (60, 80, 112, 118, 120, 141, 142, 160, 300):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            widths = {cell_len("".join(t for t, _ in line)) for line in table.lines}
            assert widths == {width - 2}, width


async def test_wide_screens_show_ids_whole_and_times_twice(facts, frozen_clock):
    app = TableApp()
    async with app.run_test(size=(160, 24)) as pilot:
        table = await shown(pilot, app, facts.runs().runs)
        assert "13:02 (in 1h 02m)" in table.plain
        assert "08:30 (3h ago)" in table.plain
        assert facts.run(2).id in table.plain
        assert "ko_alpaca_data" in table.plain
        assert "Medium.160GB" in table.plain


async def test_enter_tells_the_parent_once_which_run(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, facts.runs().runs)
        await pilot.press("down", "down", "up", "enter")
        await pilot.pause()
        assert app.opened == [(table, facts.runs().runs[1].id)]


async def test_the_cursor_stays_on_its_run_when_a_newer_one_comes(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        runs = facts.runs().runs
        table = await shown(pilot, app, runs)
        await pilot.press("j")
        chosen = table.run_under_cursor.id
        table.show_runs((facts.run(9, name="new"), *runs))
        assert table.run_under_cursor.id == chosen
        table.show_runs(tuple(run for run in runs if run.id != chosen))
        assert table.run_under_cursor.id == runs[2].id, "its run is gone: the next in its place"


async def test_a_long_list_scrolls_under_the_cursor(facts):
    app = TableApp()
    async with app.run_test(size=(80, 12)) as pilot:
        table = await shown(pilot, app, [facts.run(n % 10, id=f"run-{n:04d}") for n in range(1000)])
        await pilot.press("G")
        assert "run-0999" in table.plain
        assert "run-0000" not in table.plain
        await pilot.press("g")
        assert "run-0000" in table.plain
        await pilot.press("pagedown")
        assert table.run_under_cursor.id == "run-0010"


async def test_a_click_moves_and_a_second_one_opens(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, facts.runs().runs)
        await pilot.click(RunTable, offset=(5, 4))
        assert table.run_under_cursor.id == facts.runs().runs[2].id
        assert app.opened == []
        await pilot.click(RunTable, offset=(5, 4))
        await pilot.pause()
        assert [run for _, run in app.opened] == [facts.runs().runs[2].id]


async def test_sorted_unknown_values_come_last(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, facts.runs().runs)
        table.sort_by(lambda run: run.eval_loss, reverse=False)
        assert [run.eval_loss for run in table.shown[:3]] == [1.1, 1.5, None]
        table.sort_by(lambda run: run.eval_loss, reverse=True)
        assert [run.eval_loss for run in table.shown[:3]] == [1.5, 1.1, None]
        table.sort_by(None, reverse=False)
        assert table.shown == facts.runs().runs


async def test_only_the_row_that_changed_is_painted(facts, frozen_clock):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        runs = facts.runs().runs
        table = await shown(pilot, app, runs)
        painted = []
        real = table.refresh
        table.refresh = lambda *regions, **options: (painted.append(regions), real(*regions))[1]
        table.show_runs(runs)
        assert painted == []
        table.show_runs((msgspec.structs.replace(runs[0], step=121), *runs[1:]))
        assert [[region.y for region in regions] for regions in painted] == [[2]]


async def test_an_empty_list_says_what_it_was_told_to(facts):
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        table = app.query_one(RunTable)
        assert table.plain == "reading runs …"
        table.show_runs(())
        assert table.plain == "Nothing here."
        await pilot.press("enter", "j")
        assert app.opened == []


async def test_a_long_phase_takes_empty_cells_and_an_id_keeps_its_end(facts, frozen_clock):
    app = TableApp()
    begins = facts.run(
        1, name=None, step=None, train_loss=None, tokens_per_second=None, phase="checking data"
    )
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, (begins,))
        row = table.plain.splitlines()[2]
        assert " checking data " in row
        assert f"…{begins.id[-13:]}" in row


async def test_the_cursor_goes_to_a_run_once_the_list_has_it(facts, frozen_clock):
    app = TableApp()
    runs = facts.runs().runs
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, app, runs[1:])
        table.move_to(runs[0].id)
        assert table.run_under_cursor == runs[1]
        table.show_runs(runs)
        assert table.run_under_cursor == runs[0]
        table.move_to("20990101-000000-aaaaaa")
        table.action_move(1)
        table.show_runs((*runs, facts.run(9)))
        assert table.run_under_cursor == runs[1], "a key says where the cursor belongs"


async def test_a_very_wide_table_also_tells_what_a_run_took_and_its_notes(facts):
    known = {"eval_loss": 2.5, "mfu": 0.42, "peak_memory_bytes": 3 * 2**30}
    run = facts.run(0, "finished", name="big", tags=("keep",), notes="the good one", **known)

    app = TableApp()
    async with app.run_test(size=(300, 10)) as pilot:
        table = app.query_one(RunTable)
        table.show_runs((run,))
        await pilot.pause()
        head, _, line = table.plain.splitlines()
        for name, text in (("Eval", "2.5000"), ("MFU", "42.0%"), ("Peak", "3.00 GiB")):
            assert line.index(text) + len(text) == head.index(name) + len(name)
        assert line.index("keep the good one") == head.index("Tags and notes")
