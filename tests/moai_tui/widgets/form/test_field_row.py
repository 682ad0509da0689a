from __future__ import annotations

from textual import on
from textual.widgets import Input

from moai_tui.widgets.form.field_row import FieldRow, RowState, whole_clauses
from moai_tui.widgets.form.field_spec import FieldSpec, number
from tests.moai_tui.widget_app import WidgetApp

RATE = FieldSpec(name="learning_rate", label="Learning rate", help="How far.", read=number)
MODEL = FieldSpec(name="model", label="Model", help="Which.", kind="combo")


class RowApp(WidgetApp):
    """Collects what the row tells its parent."""

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(FieldRow(spec))
        self.edits: list[tuple[object, str | None]] = []
        self.lists = 0

    @on(FieldRow.Edited)
    def note(self, event: FieldRow.Edited) -> None:
        self.edits.append((event.value, event.problem))

    @on(FieldRow.ListWanted)
    def count(self) -> None:
        self.lists += 1

    @property
    def row(self) -> FieldRow:
        return self.query_one(FieldRow)


async def test_typing_posts_the_value_and_wrong_text_its_sentence() -> None:
    app = RowApp(RATE)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.show(RowState(default="0.003"))
        app.row.editor.focus()
        await pilot.press("5", "x")
        await pilot.pause()
        assert app.edits[0] == (5.0, None)
        assert app.edits[1][1] == "'5x' is no number; write one like 3e-4"
        assert "✗ '5x' is no number" in app.row.render().plain


async def test_clearing_a_field_gives_it_back_to_the_core() -> None:
    app = RowApp(RATE)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.show(RowState(value=5.0, default="0.003"))
        app.row.editor.focus()
        await pilot.press("backspace", "backspace")
        await pilot.pause()
        assert app.edits[-1] == (None, None)
        assert app.query_one(Input).value == ""


async def test_what_is_being_typed_survives_news_about_other_fields() -> None:
    app = RowApp(MODEL)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.show(RowState(value="tiny"))
        app.row.editor.focus()
        await pilot.press("ctrl+u")
        await pilot.pause()
        app.row.show(RowState(value="tiny", hint="2 M parameters"))
        assert app.query_one(Input).value == ""
        app.row.show(RowState(value="other"))
        assert app.query_one(Input).value == "other"


async def test_a_state_that_is_older_than_the_keys_takes_nothing_back() -> None:
    app = RowApp(MODEL)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.show(RowState(value="tiny"))
        app.row.editor.focus()
        await pilot.press("end", "ctrl+u", "a", "b", "c")
        await pilot.pause()
        for late in ("tiny", "a", "ab", "ab", "abc"):
            app.row.show(RowState(value=late, hint="news of another field"))
            assert app.query_one(Input).value == "abc"
        app.row.show(RowState(value="ab"))
        assert app.query_one(Input).value == "ab"


async def test_a_value_from_above_replaces_text_that_was_no_value() -> None:
    app = RowApp(RATE)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.show(RowState(value=5.0))
        app.row.editor.focus()
        await pilot.press("x")
        await pilot.pause()
        app.row.show(RowState(value=1e-4))
        assert app.query_one(Input).value == "1e-4"
        assert app.row.problem is None
        assert app.edits[-1] == (5.0, app.edits[-1][1])


async def test_enter_opens_a_list_where_there_is_one() -> None:
    app = RowApp(MODEL)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.editor.focus()
        await pilot.press("enter")
        await pilot.pause()
        assert app.lists == 1


async def test_picking_is_like_typing() -> None:
    app = RowApp(MODEL)
    async with app.run_test(size=(80, 3)) as pilot:
        app.row.pick("gpt2")
        await pilot.pause()
        assert app.edits == [("gpt2", None)]


async def test_text_from_outside_cannot_steer_the_terminal() -> None:
    app = RowApp(RATE)
    async with app.run_test(size=(80, 3)):
        app.row.show(RowState(hint="\x1b[31mred [b]bold[/b]", changed=True))
        plain = app.row.render().plain
        assert "\x1b" not in plain
        assert "[b]bold[/b]" in plain
        assert plain.startswith("•")


def test_a_hint_without_room_ends_at_a_clause() -> None:
    hint = "2,175 rows, 227k tokens trained"
    assert whole_clauses(hint, 40) == hint
    assert whole_clauses(hint, 24) == "2,175 rows"
    assert whole_clauses("tokens in one packed row; at most 1024", 24) == "tokens in one packed row"
    assert whole_clauses("usual for fresh weights", 10) == "usual for fresh weights"
