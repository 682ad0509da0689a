from __future__ import annotations

import pytest

from moai_tui.looks import colour_count, fitting_theme, unicode_wanted


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.utf8", "TERM": "xterm-256color"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # set by Python itself, not by the user
        ({"LC_CTYPE": "C.UTF-8"}, True),
    ],
)
def test_the_locale_decides_what_can_be_drawn(environ, wanted):
    assert unicode_wanted(environ) is wanted


@pytest.mark.parametrize(
    ("environ", "count", "theme"),
    [
        ({"TERM": "xterm-256color"}, 256, "moai-dark"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, 256, "moai-dark"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, 256, "moai-light"),
        ({"TERM": "linux"}, 16, "high-contrast"),
        ({"TERM": "vt100"}, 0, "mono"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0, "mono"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256, "moai-dark"),
        ({}, 256, "moai-dark"),
    ],
)
def test_the_terminal_decides_how_many_colours_and_which_theme(environ, count, theme):
    assert (colour_count(environ), fitting_theme(environ)) == (count, theme)
