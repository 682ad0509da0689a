from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import App

from moai_tui import theming
from moai_tui.widgets.lines import STYLES, Lines, fit, line_width


class LinesApp(App[None]):
    """One `Lines` of fixed height that counts what it paints."""

    def __init__(self, lines, fixed=True):
        super().__init__()
        self.widget = Lines(lines)
        self.fixed = fixed
        self.painted = []

    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        if self.fixed:
            self.widget.styles.height = 5
        yield self.widget

    def watch(self):
        real = self.widget.refresh

        def refresh(*regions, **options):
            self.painted.append((regions, options.get("layout", False)))
            return real(*regions, **options)

        self.widget.refresh = refresh


@pytest.mark.parametrize(
    ("text", "width", "align", "expected"),
    [
        ("abc", 5, "left", "abc  "),
        ("abc", 5, "right", "  abc"),
        ("abc", 6, "center", " abc  "),
        ("abcdef", 4, "left", "abc…"),
        ("abcdef", 1, "left", "…"),
        ("abcdef", 0, "left", ""),
        ("한국어", 6, "left", "한국어"),
    ],
)
def test_text_is_fitted_to_cells(text, width, align, expected):
    assert fit(text, width, align) == expected


@pytest.mark.parametrize("width", range(1, 12))
def test_wide_characters_are_never_cut_in_half(width):
    assert cell_len(fit("한국어 이름", width)) == width


async def test_only_lines_that_changed_are_painted():
    app = LinesApp([[("a", "")], [("b", "strong")], [("c", "")]])
    async with app.run_test(size=(20, 10)) as pilot:
        await pilot.pause()
        app.watch()
        app.widget.show_lines([[("a", "")], [("B", "strong")], [("c", "")]])
        ((regions, layout),) = app.painted
        assert [(region.y, region.height) for region in regions] == [(1, 1)]
        assert not layout
        app.widget.show_lines([[("a", "")], [("B", "strong")], [("c", "")]])
        assert len(app.painted) == 1, "the same lines paint nothing"


async def test_where_the_height_is_automatic_more_lines_take_more_room():
    app = LinesApp([[("a", "")]], fixed=False)
    async with app.run_test(size=(20, 10)) as pilot:
        await pilot.pause()
        assert app.widget.size.height == 1
        app.widget.show_lines([[("a", "")], [("b", "")], [("c", "")]])
        await pilot.pause()
        assert app.widget.size.height == 3


async def test_every_style_differs_from_plain_text_and_markup_is_text():
    app = LinesApp([[("[b]x[/b]", style)] for style in ("", *STYLES)])
    async with app.run_test(size=(20, 30)) as pilot:
        await pilot.pause()
        plain = app.widget._style("")
        for style in STYLES:
            assert app.widget._style(style) != plain, style
        assert app.widget.render_line(0).text.startswith("[b]x[/b]")
        assert len(app.widget.render_line(0).text) == 20
        assert app.widget.render_line(29).text.strip() == ""


async def test_a_new_theme_changes_the_colours():
    app = LinesApp([[("x", "title")]])
    async with app.run_test(size=(20, 10)) as pilot:
        await pilot.pause()
        before = app.widget._style("title")
        app.theme = "nord"
        await pilot.pause()
        assert app.widget._style("title") != before


def test_the_width_of_a_line_counts_cells():
    assert line_width([("ab", ""), ("한", "strong")]) == 4
