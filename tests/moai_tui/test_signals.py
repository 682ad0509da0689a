from __future__ import annotations

import inspect

from moai_tui.app import MoaiApp
from moai_tui.signals import Dashboard, Newest, dashboard


async def test_the_app_is_what_screens_expect_of_it(scripted_app):
    app = scripted_app()
    async with app.run_test():
        found = dashboard(app.screen)
        assert found is app
        for name in Dashboard.__annotations__:
            assert hasattr(app, name), name
        for name, method in inspect.getmembers(Dashboard, inspect.isfunction):
            if not name.startswith("_"):
                ours = inspect.signature(getattr(MoaiApp, name))
                assert ours.parameters.keys() == inspect.signature(method).parameters.keys(), name
        assert app.newest == Newest()
