"""Searching, filtering and sorting the price list. Pure; a query is what stands in the page's address."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from urllib.parse import urlencode

import msgspec

from puyun.catalog.model import METERS, Kind, Model, Tier
from puyun.pricing.offers import Offer

TEXT_MAX = 100

CONTEXTS = (8_000, 32_000, 128_000, 200_000, 1_000_000)
"""Context lengths to choose from: at least so many tokens."""

_EVERYWHERE = {"input", "output"}
"""Meters that are no reason to choose a model by."""

_CONTEXT_DIGITS = 9


class Sort(StrEnum):
    MODEL = "model"
    CONTEXT = "context"
    INPUT = "input"
    OUTPUT = "output"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Empty values filter nothing."""

    text: str = ""
    kind: str = ""
    vendor: str = ""
    tier: str = ""
    context: int = 0
    """At least so many tokens."""
    meter: str = ""
    """With a price of its own for this meter: what a model can is known by what it is sold for."""
    sort: Sort = Sort.MODEL
    descending: bool = False

    @property
    def filtered(self) -> bool:
        return bool(self.text or self.kind or self.vendor or self.tier or self.context or self.meter)

    def href(self, **changes: object) -> str:
        """The address of this list with something changed, as short as it goes."""
        query = msgspec.structs.replace(self, **changes)
        parts = {
            "q": query.text,
            "kind": query.kind,
            "vendor": query.vendor,
            "tier": query.tier,
            "context": str(query.context) if query.context else "",
            "meter": query.meter,
            "sort": "" if query.sort is Sort.MODEL else query.sort,
            "order": "desc" if query.descending else "",
        }
        encoded = urlencode({name: value for name, value in parts.items() if value})
        return f"/?{encoded}" if encoded else "/"

    def sorted_by(self, sort: str) -> str:
        """The address that sorts by a column; the other way round when it is sorted by it already."""
        return self.href(sort=Sort(sort), descending=self.sort == sort and not self.descending)


class Entry(msgspec.Struct, frozen=True):
    """A model with those of its offers that are shown, by tier."""

    model: Model
    offers: tuple[Offer, ...]

    def price(self, meter: str) -> int | None:
        """The lowest price of a meter among the shown offers."""
        return min((offer.prices[meter] for offer in self.offers if meter in offer.prices), default=None)


def parse_query(parameters: Mapping[str, str]) -> Query:
    """From an address; what makes no sense filters nothing, for addresses are typed, cut and shared."""
    kind, tier, sort, meter = (parameters.get(name, "") for name in ("kind", "tier", "sort", "meter"))
    context = parameters.get("context", "")
    readable = context.isascii() and context.isdigit() and len(context) <= _CONTEXT_DIGITS
    return Query(
        text=" ".join(parameters.get("q", "")[:TEXT_MAX].split()),
        kind=kind if kind in set(Kind) else "",
        vendor=parameters.get("vendor", "")[:TEXT_MAX],
        tier=tier if tier in set(Tier) else "",
        context=int(context) if readable else 0,
        meter=meter if meter in METERS else "",
        sort=Sort(sort) if sort in set(Sort) else Sort.MODEL,
        descending=parameters.get("order") == "desc",
    )


def by_model(offers: Iterable[Offer]) -> list[Entry]:
    """Neighbouring offers of one model together."""
    found: dict[str, list[Offer]] = {}
    for offer in offers:
        found.setdefault(offer.model.name, []).append(offer)
    return [Entry(group[0].model, tuple(group)) for group in found.values()]


def select(offers: Iterable[Offer], query: Query) -> list[Entry]:
    """What a query shows, in its order; a model without the sorted price stands last either way."""
    shown = [
        entry for entry in by_model(offer for offer in offers if _offers(offer, query)) if _fits(entry.model, query)
    ]
    keyed = [(_key(entry, query.sort), entry) for entry in shown]
    known = [(key, entry) for key, entry in keyed if key is not None]
    known.sort(key=lambda pair: pair[0], reverse=query.descending)
    return [entry for _, entry in known] + [entry for key, entry in keyed if key is None]


def vendors(offers: Iterable[Offer]) -> list[str]:
    return sorted({offer.model.vendor for offer in offers if offer.model.vendor})


def kinds(offers: Iterable[Offer]) -> list[Kind]:
    found = {offer.model.kind for offer in offers}
    return [kind for kind in Kind if kind in found]


def special_meters(offers: Iterable[Offer]) -> list[str]:
    """The meters that some offer has a price of its own for, and not nearly all."""
    found = frozenset[str]().union(*(offer.own for offer in offers))
    return [meter for meter in METERS if meter in found and meter not in _EVERYWHERE]


def fits_text(model: Model, text: str) -> bool:
    """Whether every word stands somewhere in what a model is called."""
    haystack = f"{model.name} {model.vendor} {model.label} {model.kind}".lower()
    return all(word in haystack for word in text.lower().split())


def _offers(offer: Offer, query: Query) -> bool:
    return query.tier in {"", offer.tier} and (not query.meter or query.meter in offer.own)


def _fits(model: Model, query: Query) -> bool:
    if query.kind not in {"", model.kind} or query.vendor not in {"", model.vendor}:
        return False
    if model.context_length < query.context:
        return False
    return fits_text(model, query.text)


def _key(entry: Entry, sort: Sort) -> tuple[int, str] | None:
    match sort:
        case Sort.MODEL:
            return 0, entry.model.name
        case Sort.CONTEXT:
            return entry.model.context_length, entry.model.name
        case Sort.INPUT | Sort.OUTPUT:
            price = entry.price(sort)
            return None if price is None else (price, entry.model.name)
