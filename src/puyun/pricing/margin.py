"""What is left of a charge after what the provider asks for the same tokens."""

from collections.abc import Iterable, Mapping

import msgspec

from puyun.kit.money import charge_of
from puyun.metering.usage import Usage
from puyun.pricing.costbook import cost_of


class Sale(msgspec.Struct, frozen=True):
    """Calls of one deployment in a time in which its costs were the same. `charge` and `from_bonus` in nano-units."""

    label: str
    deployment: str
    calls: int
    usage: Usage
    charge: int
    from_bonus: int


class Margin(msgspec.Struct, frozen=True):
    """Sums under one label, in nano-units. `uncosted`: calls with tokens whose cost is not known; `cost` lacks them."""

    label: str
    calls: int = 0
    uncosted: int = 0
    charge: int = 0
    from_bonus: int = 0
    exact_cost: int = 0
    """Pico-units."""

    @property
    def cost(self) -> int:
        """Nano-units, rounded up: a margin is never shown too high."""
        return -charge_of(-self.exact_cost)

    @property
    def margin(self) -> int:
        return self.charge - self.cost

    @property
    def permille(self) -> int | None:
        """Of the charge, rounded down; None where nothing was charged."""
        return self.margin * 1000 // self.charge if self.charge else None

    def plus(self, sale: Sale, costs: Mapping[str, int]) -> "Margin":
        """With more calls, at these costs a token by meter."""
        cost = cost_of(sale.usage, costs)
        return Margin(
            self.label,
            self.calls + sale.calls,
            self.uncosted + (sale.calls if cost.unknown else 0),
            self.charge + sale.charge,
            self.from_bonus + sale.from_bonus,
            self.exact_cost + cost.exact,
        )


def total(margins: Iterable[Margin], label: str = "total") -> Margin:
    """The sum of rows, so that a table adds up to its last line."""
    found = Margin(label)
    for each in margins:
        found = Margin(
            label,
            found.calls + each.calls,
            found.uncosted + each.uncosted,
            found.charge + each.charge,
            found.from_bonus + each.from_bonus,
            found.exact_cost + each.exact_cost,
        )
    return found
