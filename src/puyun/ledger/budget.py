"""Budgets: what a key, a member or an organization may spend in a period. Guarded by the same hold as the wallet.

A call belongs to the window in which it was admitted, as its id says, and stays there: what was held for it is given
back where it was taken, also when a day or a month ends while it runs. Days and months are those of UTC.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from puyun.kit.clock import DAY, to_datetime
from puyun.kit.ids import call_started

THRESHOLDS = (50, 80, 100)
"""Percent of a budget at which a notice is due, once in each window."""


class Subject(IntEnum):
    """Whose spending is counted. The order is the one in which a refusal is looked for: the narrowest first."""

    KEY = 1
    MEMBER = 2
    ORGANIZATION = 3


class Period(IntEnum):
    DAY = 1
    MONTH = 2
    TOTAL = 3


Place = tuple[int, Subject, int]
"""(organization, subject, number of the key or the member; 0 for the organization itself)."""


def window_of(period: Period, call: int) -> int:
    """Days since 1970, months since year 0, or 0: the window a call counts in."""
    started = call_started(call)
    if period is Period.DAY:
        return started // DAY
    if period is Period.MONTH:
        date = to_datetime(started)
        return date.year * 12 + date.month - 1
    return 0


@dataclass(slots=True)
class Window:
    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Budget:
    """`limit` in nano-units. A soft budget refuses nothing: it only gives notice. Calls before `since` do not count."""

    id: int
    place: Place
    period: Period
    hard: bool
    limit: int
    since: int = 0
    windows: dict[int, Window] = field(default_factory=dict[int, Window])

    def window(self, number: int) -> Window:
        window = self.windows.get(number)
        if window is None:
            window = self.windows[number] = Window()
        return window


class Notice(msgspec.Struct, frozen=True):
    """A budget reached `percent` of its limit in a window; told once."""

    org: int
    budget: int
    window: int
    percent: int
    spent: int
    limit: int


class Guard:
    """One budget as one call meets it."""

    __slots__ = ("_number", "_window", "budget")

    def __init__(self, budget: Budget, call: int) -> None:
        self.budget = budget
        self._number = window_of(budget.period, call)
        self._window = budget.window(self._number)

    @property
    def available(self) -> int:
        return self.budget.limit - self._window.spent - self._window.held

    def hold(self, amount: int) -> None:
        """Less than zero gives back."""
        self._window.held += amount

    def charge(self, amount: int) -> Iterator[Notice]:
        """Returns the notices that became due."""
        limit, before = self.budget.limit, self._window.spent
        after = self._window.spent = before + amount
        for percent in THRESHOLDS:
            if before * 100 < limit * percent <= after * 100:
                yield Notice(self.budget.place[0], self.budget.id, self._number, percent, after, limit)


def guards_of(budgets: dict[Place, list[Budget]], org: int, key: int, member: int, call: int) -> list[Guard]:
    """The budgets that a call counts against, narrowest first."""
    places: Iterable[Place] = ((org, Subject.KEY, key), (org, Subject.MEMBER, member), (org, Subject.ORGANIZATION, 0))
    return [Guard(budget, call) for place in places for budget in budgets.get(place, ()) if call >= budget.since]
