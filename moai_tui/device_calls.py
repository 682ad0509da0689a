"""Wishes about accelerators, processes and settings: each is carried out and answered.

`live` runs them in threads of their own; nothing here starts one, touches a widget or raises.
"""

from __future__ import annotations

from moai_tui.core_calls import sentence
from moai_tui.messages import (
    DeviceAnswered,
    DeviceWish,
    PoolChangeWanted,
    SettingWanted,
    SignalWanted,
)
from moai_tui.settings import save_setting


def carry_out(wish: DeviceWish) -> DeviceAnswered:
    """Do what a screen wished and return the answer."""
    try:
        match wish:
            case PoolChangeWanted():
                return DeviceAnswered(_change_pool(wish), ok=True)
            case SignalWanted():
                return DeviceAnswered(_send(wish), ok=True)
            case SettingWanted():
                save_setting(wish.key, wish.text)
                return DeviceAnswered(f"Saved {wish.key}; it holds from the next start.", ok=True)
            case _:
                raise AssertionError(f"no wish: {wish!r}")
    except Exception as error:  # the outermost line of the thread
        return DeviceAnswered(sentence(error, "This could not be changed"), ok=False)


def _change_pool(wish: PoolChangeWanted) -> str:
    from trainer_core.accelerators.pool import AcceleratorPool

    pool = AcceleratorPool.load(wish.machine)
    if wish.action == "remove":
        pool.remove(wish.index)
        return "Remove device success."
    if wish.action == "switch":
        pool.switch(wish.index)
        return "Switch Current Device success."
    if wish.size is None:
        raise AssertionError(f"no size: {wish!r}")
    if wish.action == "add":
        pool.add(wish.size)
        return "Create device success."
    if pool.on_platform:
        from trainer_core.accelerators.moai_switch import switch_model

        switch_model(wish.size)
    else:
        pool.switch(wish.index, wish.size)
    # Two spaces before the quote, as the platform says it.
    return f'The MoAI Accelerator model is successfully switched to  "{wish.size.label}".'


def _send(wish: SignalWanted) -> str:
    from trainer_core.accelerators.process_signals import send_signal

    send_signal(wish.process.pid, wish.process.started_at, wish.signal_name)
    return f"Sent {wish.signal_name} to process {wish.process.pid}."
