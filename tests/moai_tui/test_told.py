"""Messages with fields."""

from __future__ import annotations

from typing import ClassVar

import pytest

from moai_tui.told import Told


class Weighed(Told):
    heavy: ClassVar[bool] = False

    kilograms: float
    unit: str = "kg"


class Sold(Weighed):
    heavy = True

    price: int = 0


def test_fields_are_given_in_order_or_by_name_and_have_defaults():
    assert Weighed(2.5).unit == "kg"
    sold = Sold(2.5, price=3)
    assert (sold.kilograms, sold.unit, sold.price, sold.heavy) == (2.5, "kg", 3, True)


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, "g", 2), {}), ((1,), {"kilograms": 2}), ((1,), {"colour": "red"})],
)
def test_what_a_dataclass_would_refuse_is_refused(values, named):
    with pytest.raises(TypeError, match=r"Weighed .* kilograms"):
        Weighed(*values, **named)


def test_equal_fields_of_one_class_are_equal_and_shown():
    assert Weighed(1.0) == Weighed(1.0)
    assert Weighed(1.0) != Weighed(2.0)
    assert Weighed(1.0) != Sold(1.0)
    assert repr(Weighed(1.0)) == "Weighed(kilograms=1.0, unit='kg')"
