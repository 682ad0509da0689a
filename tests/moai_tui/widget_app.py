"""A bare app with one widget in our default colours, for widget tests."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App, ComposeResult
from textual.widget import Widget

from moai_tui import theming
from moai_tui.widgets.lines import Line


class WidgetApp(App[None]):
    """Shows one widget over the whole screen."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, as in the real app."""
        return theming.variable_defaults(self.current_theme)

    def compose(self) -> ComposeResult:
        """The widget."""
        yield self.widget


def text_of(lines: Sequence[Line]) -> str:
    """Return lines as plain text, without blanks at their ends."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def styles_of(line: Line) -> dict[str, str]:
    """Return the style of each piece of a line by its stripped text."""
    return {text.strip(): style for text, style in line if text.strip()}
