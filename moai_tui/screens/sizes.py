"""The platform's menu of sizes, to pick one; those this machine cannot form say why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from moai_tui.signals import dashboard
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.lines import Line, Lines
from trainer_core.accelerators.base import Size
from trainer_core.accelerators.sizes import (
    device_memory_gb,
    formable_devices,
    sizes_for,
    why_not,
)

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot


class SizeDialog(ModalScreen[Size | None]):
    """Picks a size of this machine; None when nothing was picked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "pick", "Pick"),
        Binding("escape,q", "leave", "Leave it", show=False),
    ]

    DEFAULT_CSS = """
    SizeDialog { align: center middle; background: $background 60%; }
    SizeDialog > Vertical {
        width: 74; height: auto; max-height: 100%; border: round $border;
        background: $surface; padding: 0 1;
    }
    SizeDialog CursorList { height: auto; }
    """

    def __init__(self, devices: Sequence[DeviceSnapshot], current: str | None) -> None:
        """Make the menu.

        Args:
            devices: The machine's, which decide what can be formed.
            current: Label of the size that gets the `*`; None for none.
        """
        super().__init__()
        self._devices = tuple(devices)
        self._sizes = sizes_for(device_memory_gb(devices))
        self._current = current

    def compose(self) -> ComposeResult:
        """The 13 sizes and the keys."""
        with Vertical() as box:
            box.border_title = "accelerator size"
            yield CursorList()
            usable = formable_devices(self._devices)
            here = f"{usable} usable device{'' if usable == 1 else 's'} on this machine"
            keys = [("enter", "key"), (" take it   ", ""), ("esc", "key"), (" leave it", "")]
            yield Lines([[(here, "muted")], keys])

    def on_mount(self) -> None:
        """List the sizes, with the cursor on the current one."""
        menu = self.query_one(CursorList)
        menu.show_entries(
            [], [(size.name, self._line(number, size)) for number, size in self._numbered()]
        )
        places = [place for place, size in enumerate(self._sizes) if size.label == self._current]
        menu.focus()
        menu.action_move(places[0] if places else 0)

    def _numbered(self) -> enumerate[Size]:
        return enumerate(self._sizes, start=1)

    def _line(self, number: int, size: Size) -> Line:
        star = "  *" if size.label == self._current else ""
        reason = why_not(size, self._devices)
        text = f"{number:>2}. {size.label}{star}"
        if reason is None:
            return [(text, "strong")]
        return [(text, "muted"), (f"  {reason.partition(',')[0]}", "muted")]

    def action_pick(self) -> None:
        """Close with the size under the cursor; one that cannot be formed says so."""
        name = self.query_one(CursorList).cursor
        size = next(size for size in self._sizes if size.name == name)
        reason = why_not(size, self._devices)
        if reason:
            dashboard(self).say(f"{size.label} {reason}; choose a smaller size.", ok=False)
        else:
            self.dismiss(size)

    def action_leave(self) -> None:
        """Close without a size."""
        self.dismiss(None)
