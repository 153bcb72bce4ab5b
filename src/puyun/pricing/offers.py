"""What is for sale right now, as the home page, the public price feed and the model list show it.

Read through `PriceBook.rates`, the same function that bills: a page cannot show a price that a call would not pay.
"""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from puyun.catalog.model import METERS, TIERS, Kind, Model, Tier
from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import format_price
from puyun.pricing.pricebook import PriceBook


class Change(msgspec.Struct, frozen=True):
    """What an offer's meters cost from `effective_from` on, in micro-units per million tokens; None: withdrawn."""

    effective_from: Instant
    prices: dict[str, int | None]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one tier. `prices`: micro-units per million tokens by meter, fallbacks resolved, in meter order.

    `own` names the meters with a price of their own; the others are billed as another meter. An offer that is
    announced and not sold yet has no prices and a `next`.
    """

    model: Model
    tier: Tier
    prices: dict[str, int]
    own: frozenset[str] = frozenset()
    next: Change | None = None


class OfferList(msgspec.Struct, frozen=True, kw_only=True):
    """Every offer by model name and tier, true from `as_of` until just before `until` (None: no change is known)."""

    revision: int
    as_of: Instant
    until: Instant | None
    offers: tuple[Offer, ...]

    @property
    def version(self) -> str:
        """Differs whenever the content does: by a new catalogue, or by an announced price that took effect."""
        return f"{self.revision}-{self.as_of}"


def list_offers(models: Iterable[Model], book: PriceBook, *, revision: int, now: Instant) -> OfferList:
    """Offers of all models that have a price now or an announced one."""
    changes = _next_changes(book, now)
    offers: list[Offer] = []
    for model in sorted(models, key=lambda model: model.name):
        for tier in TIERS:
            found = book.rates(model.name, tier, now)
            rates = found if found is not None and found.serves(model.kind) else None
            change = changes.get((model.name, tier))
            if rates is None and (change is None or not any(change.prices.values())):
                continue
            by_meter = {} if rates is None else rates.by_meter
            offer = Offer(
                model=model,
                tier=tier,
                prices={meter: by_meter[meter].price for meter in METERS if meter in by_meter},
                own=frozenset() if rates is None else frozenset(rates.own),
                next=change,
            )
            offers.append(offer)
    starts = [change.effective_from for change in changes.values()]
    return OfferList(revision=revision, as_of=now, until=min(starts, default=None), offers=tuple(offers))


def _next_changes(book: PriceBook, now: Instant) -> dict[tuple[str, Tier], Change]:
    """The soonest announced change of each offer. Of rows with one start the later row wins, as in the book."""
    found: defaultdict[tuple[str, Tier], dict[Instant, dict[str, int | None]]] = defaultdict(dict)
    for row in book.announced(now):
        found[row.model, row.tier].setdefault(row.effective_from, {})[row.meter] = row.amount
    return {offer: Change(start := min(starts), starts[start]) for offer, starts in found.items()}


class PublicChange(msgspec.Struct, frozen=True, rename={"effective_from": "from"}):
    """`from`: ISO 8601, UTC. A price of null is withdrawn then."""

    effective_from: str
    prices: dict[str, str | None]


class PublicOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Prices are exact decimal strings per million tokens."""

    model: str
    tier: Tier
    kind: Kind
    vendor: str
    context_length: int
    label: str
    prices: dict[str, str]
    next: PublicChange | None


class PublicPrices(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /api/prices` (DESIGN 4.2)."""

    currency: str
    unit: str
    revision: int
    as_of: str
    next_change: str | None
    offers: tuple[PublicOffer, ...]


def public_prices(offers: OfferList, currency: str) -> PublicPrices:
    return PublicPrices(
        currency=currency,
        unit="per million tokens",
        revision=offers.revision,
        as_of=format_instant(offers.as_of),
        next_change=None if offers.until is None else format_instant(offers.until),
        offers=tuple(_public(offer) for offer in offers.offers),
    )


def _public(offer: Offer) -> PublicOffer:
    change = offer.next
    return PublicOffer(
        model=offer.model.name,
        tier=offer.tier,
        kind=offer.model.kind,
        vendor=offer.model.vendor,
        context_length=offer.model.context_length,
        label=offer.model.label,
        prices={meter: format_price(price) for meter, price in offer.prices.items()},
        next=change
        and PublicChange(
            format_instant(change.effective_from),
            {meter: None if price is None else format_price(price) for meter, price in change.prices.items()},
        ),
    )
