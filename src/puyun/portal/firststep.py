"""The first call of an organization: to which model it goes, and how far it has come. Pure."""

from collections.abc import Collection, Iterable

import msgspec

from puyun.catalog.model import PREFERRED, Kind, Model, Tier
from puyun.kit.clock import Instant
from puyun.kit.money import hold_of
from puyun.metering.usage import Usage
from puyun.pricing.offers import Offer
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rate import rate
from puyun.storage.signup.calls import FirstCall

ANSWER_TOKENS = 100
"""Where the answer of the shown call ends."""

CALL = Usage(input=300, output=ANSWER_TOKENS)
"""More than the shown call takes: what is held for it counts bytes, not tokens."""


class Choice(msgspec.Struct, frozen=True):
    """A model at a tier, and what is to be available for the call, in nano-units."""

    model: Model
    tier: Tier
    needed: int


def choices(offers: Iterable[Offer], book: PriceBook, tiers: Collection[Tier], now: Instant) -> list[Choice]:
    """The chat models sold at these tiers, the tier of daily use first, then the cheapest."""
    found: list[Choice] = []
    for offer in offers:
        rates = book.rates(offer.model.name, offer.tier, now)
        if offer.model.kind is Kind.CHAT and "output" in offer.prices and offer.tier in tiers and rates is not None:
            found.append(Choice(offer.model, offer.tier, hold_of(rate(CALL, rates).exact)))
    return sorted(found, key=lambda choice: (PREFERRED.index(choice.tier), choice.needed, choice.model.name))


def choose(found: list[Choice], available: int) -> Choice | None:
    """The first that what is available pays for, else the cheapest; None where nothing is sold."""
    affordable = [choice for choice in found if choice.needed <= available]
    return next(iter(affordable), None) or min(found, key=lambda choice: choice.needed, default=None)


class Progress(msgspec.Struct, frozen=True):
    """How far it has come. `missing`: `model` or `credit` where the call could not be made, else empty."""

    missing: str
    call: FirstCall | None

    @property
    def done(self) -> bool:
        return self.call is not None and self.call.completed

    @property
    def shape(self) -> str:
        """Differs whenever the page would look different."""
        return f"{self.missing or 'ready'}-{self.call.id if self.call else 'waiting'}"


def progress(choice: Choice | None, available: int, call: FirstCall | None) -> Progress:
    """With `available` nano-units in the wallet."""
    return Progress("model" if choice is None else "credit" if choice.needed > available else "", call)
