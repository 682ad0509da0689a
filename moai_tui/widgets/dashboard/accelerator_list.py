"""The user's accelerators in the platform's columns and the devices behind them, to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from moai_tui.widgets.dashboard.accelerator_table import platform_head, platform_row
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.dashboard.device_line import WIDE, device_head, device_line
from moai_tui.widgets.dashboard.meter import DeviceHistory

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.accelerators.occupancy import AcceleratorRow


class AcceleratorList(CursorList):
    """One line an accelerator; `index` is the number of the one under the cursor."""

    @property
    def index(self) -> int | None:
        """Number of the accelerator under the cursor."""
        return None if self.cursor is None else int(self.cursor)

    def show_rows(self, rows: Sequence[AcceleratorRow]) -> None:
        """Show the rows of a reading."""
        self._refit = partial(self.show_rows, rows)
        width = self.size.width
        if width and rows:
            entries = [(str(row.index), platform_row(row, width, rows)) for row in rows]
            self.show_entries([platform_head(width, rows), [("─" * width, "faint")]], entries)


class DeviceList(CursorList):
    """One line a physical device; `uuid` names the one under the cursor."""

    def __init__(self, histories: Mapping[str, DeviceHistory], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._histories = histories
        self._own_runs: dict[str, str] = {}

    @property
    def uuid(self) -> str | None:
        """The device under the cursor."""
        return self.cursor

    def show_devices(self, devices: Sequence[DeviceSnapshot], own_runs: dict[str, str]) -> None:
        """Show the devices of a reading; `own_runs` has the titles of this user's runs by id."""
        self._refit = partial(self.show_devices, devices, own_runs)
        width = self.size.width
        if not width or not devices:
            return
        named = len({device.name for device in devices}) > 1
        nothing = DeviceHistory()
        entries = [
            (
                device.uuid,
                device_line(
                    device,
                    self._histories.get(device.uuid, nothing).load,
                    own_runs,
                    width,
                    named=named,
                    full=True,
                ),
            )
            for device in devices
        ]
        self.show_entries([device_head(width, named=named)] if width >= WIDE else [], entries)
