"""Automatic top-ups: when money is to be asked for without anybody at a screen, and how much. Pure.

One at a time: while an attempt is open nothing is asked for, so a rule cannot run away with what is not there yet. What
was asked for counts in its month from the moment it was paid; an attempt that failed counts nothing.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

import msgspec

from puyun.kit.money import NANO, TOPUP_MAX

LEAST = NANO
"""The smallest top-up that a rule may ask for: below it fees eat what is paid."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When less than `below` is available, top up by `amount`, at most `month_max` in a calendar month (UTC); nano-units."""

    below: int
    amount: int
    month_max: int


class Attempt(StrEnum):
    """How the last top-up that a rule asked for stands."""

    PENDING = "pending"
    SETTLED = "settled"
    FAILED = "failed"


class ChargeMethod(Protocol):
    """A way to be paid that an organization has agreed to once, such as a card that was left."""

    @property
    def name(self) -> str: ...

    def agreed(self, org: int) -> bool:
        """Whether this organization can be charged by it now."""
        ...

    def charge(self, org: int, amount: int, ref: str) -> None:
        """Ask for the money. It becomes a top-up under `ref`, or an attempt that failed; under the same `ref` nothing is
        charged twice. May block.
        """
        ...


def faults(rule: Rule) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule: (field, code)."""
    if not 0 <= rule.below <= TOPUP_MAX:
        yield "below", "out_of_range"
    if not LEAST <= rule.amount <= TOPUP_MAX:
        yield "amount", "out_of_range"
    if not rule.amount <= rule.month_max <= TOPUP_MAX:
        yield "month_max", "below_amount" if rule.month_max < rule.amount else "out_of_range"


def due(rule: Rule, available: int, topped_up: int, last: Attempt | None) -> int | None:
    """What to ask for now, None for nothing. `topped_up`: what the rule brought this month; `last`: None before the first.

    Never a part of the amount: who set it wants that much or nothing.
    """
    if last is Attempt.PENDING or available >= rule.below or topped_up + rule.amount > rule.month_max:
        return None
    return rule.amount
