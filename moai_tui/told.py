"""Messages whose fields are their annotations.

A dataclass is written and compiled for each class; thirty of them are 10 ms of CPU at each start.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar, dataclass_transform

from textual.message import Message


@dataclass_transform()
class Told(Message):
    """A message made, compared and shown as a dataclass of its annotations would be."""

    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = inspect.get_annotations(cls)
        cls._names += tuple(name for name, kind in own.items() if not kind.startswith("ClassVar"))

    def __init__(self, *values: Any, **named: Any) -> None:
        """Fill the fields, in the order of their annotations or by name.

        Raises:
            TypeError: One too many, unknown, twice or missing.
        """
        super().__init__()
        given = dict(zip(self._names, values, strict=False))
        wrong = len(values) > len(self._names) or given.keys() & named.keys()
        given |= named
        if wrong or not given.keys() <= set(self._names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._names)}")
        for name, value in given.items():
            setattr(self, name, value)
        missing = [name for name in self._names if not hasattr(self, name)]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in self._names)

    __hash__ = None  # type: ignore[assignment]  # fields change, as in a dataclass

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in self._names)
