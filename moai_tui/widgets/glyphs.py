"""The signs drawn on screen, in Unicode and for terminals that know only ASCII."""

from __future__ import annotations

from dataclasses import dataclass

from moai_tui.looks import unicode_wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Glyphs:
    """One set of signs; each is one cell wide."""

    braille: bool
    """Whether curves are drawn in braille dots."""
    rule: str
    vertical: str
    corner: str
    tick_left: str
    grid: str
    raw: str
    """Legend of the raw curve, and its ASCII dot."""
    smooth: str
    evaluation: str
    checkpoint: str
    warning: str
    resumed: str
    bar: str
    bar_half: str
    """Half a cell of a bar, or nothing where there is no such sign."""
    bar_rest: str
    levels: str
    """Heights of a small history; the full block is left out, so that two rows never touch."""
    ellipsis: str
    separator: str
    arrow: str
    chosen: str
    done: str
    now: str
    cross: str
    wait: str
    empty: str


UNICODE = Glyphs(
    braille=True,
    rule="─",
    vertical="│",
    corner="└",
    tick_left="┤",
    grid="┈",
    raw="⠢",
    smooth="━",
    evaluation="o",
    checkpoint="▲",
    warning="!",
    resumed="»",
    bar="━",
    bar_half="╸",
    bar_rest="─",
    levels="▁▂▃▄▅▆▇",
    ellipsis="…",
    separator="·",
    arrow="→",
    chosen="▸",
    done="✓",
    now="●",
    cross="✗",
    wait="○",
    empty="–",
)

ASCII = Glyphs(
    braille=False,
    rule="-",
    vertical="|",
    corner="+",
    tick_left="+",
    grid=" ",
    raw=".",
    smooth="*",
    evaluation="o",
    checkpoint="^",
    warning="!",
    resumed=">",
    bar="#",
    bar_half="",
    bar_rest="-",
    levels="_.:-=*#",
    ellipsis="~",
    separator="-",
    arrow=">",
    chosen=">",
    done="+",
    now="*",
    cross="x",
    wait="o",
    empty="-",
)


def glyphs() -> Glyphs:
    """Return the signs this terminal can show, by its locale."""
    return UNICODE if unicode_wanted() else ASCII
