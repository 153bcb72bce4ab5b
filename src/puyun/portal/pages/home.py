"""The home page: what it is, what it costs at every tier, how to make the first call."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import METERS, PREFERRED, TIERS, Kind, Model, Tier
from puyun.kit.clock import Instant
from puyun.kit.money import format_price
from puyun.metering.usage import Usage
from puyun.portal.board import PriceBoard
from puyun.portal.levels import DAYS, LevelBoard
from puyun.portal.pricelist import (
    CONTEXTS,
    Entry,
    Query,
    by_model,
    kinds,
    parse_query,
    select,
    special_meters,
    vendors,
)
from puyun.portal.shop.compare import MODELS_MAX
from puyun.pricing.offers import Offer, OfferList
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rate import Line, lines, rate
from puyun.web.formats import decimals
from puyun.web.language import Language
from puyun.web.site import Site, visitor_of

MAIN_METERS = ("input", "cached_input", "cache_write", "output")
"""Meters with a column of their own; the others are named beside their amount."""

TABLES_KEPT = 16

EXAMPLE = Usage(input=1200, output=350)
"""The call of the example receipt."""


class Example(msgspec.Struct, frozen=True):
    """A receipt as a call of today would leave it. `charge` in nano-units."""

    model: Model
    tier: Tier
    lines: list[Line]
    charge: int


class Home:
    """`signup`: whether the page leads to the sign-up."""

    def __init__(self, site: Site, board: PriceBoard, levels: LevelBoard, *, signup: bool) -> None:
        self._site = site
        self._signup = signup
        self._board = board
        self._levels = levels
        self._tables: OrderedDict[tuple[str, Language, str], Markup] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        return [Route("/", self.page)]

    def page(self, request: Request) -> Response:
        offers = self._board.current()
        query = parse_query(request.query_params)
        entries = select(offers.offers, query)
        context: dict[str, object] = {
            "signup": self._signup,
            "query": query,
            "entries": entries,
            "table": self._table(request, offers, query, entries),
            "offers": offers,
            "models": len(by_model(offers.offers)),
            "kinds": kinds(offers.offers),
            "vendors": vendors(offers.offers),
            "contexts": sorted({*CONTEXTS, *((query.context,) if query.context else ())}),
            "special_meters": special_meters(offers.offers),
            "most": MODELS_MAX,
            "tiers": TIERS,
            "levels": self._levels.tiers(offers),
            "days": DAYS,
            "changes": announced(offers),
            "example": example(offers, self._board.source().book, self._site.clock.now()),
        }
        return self._site.render(request, "home.html", context)

    def _table(self, request: Request, offers: OfferList, query: Query, entries: list[Entry]) -> Markup:
        """The list itself. With hundreds of models it costs more than all the rest, so the last ones are kept."""
        key = offers.version, visitor_of(request).language, query.href()
        table = self._tables.get(key)
        if table is None:
            shown = [offer for entry in entries for offer in entry.offers]
            context: dict[str, object] = {
                "query": query,
                "entries": entries,
                "tiers": TIERS,
                "kinds": tuple(Kind),
                "all_meters": METERS,
                "meters": columns(shown),
                "places": {meter: places(shown, meter) for meter in MAIN_METERS},
                "others": any(other_meters(offer) for offer in shown),
                "other_meters": other_meters,
            }
            table = self._tables[key] = self._site.part(request, "parts/price-table.html", context)
            while len(self._tables) > TABLES_KEPT:
                self._tables.popitem(last=False)
        return table


def columns(offers: Sequence[Offer]) -> list[str]:
    """The main meters that somebody has a price for; input and output always."""
    own = frozenset[str]().union(*(offer.own for offer in offers))
    return [meter for meter in MAIN_METERS if meter in own or meter in {"input", "output"}]


def places(offers: Sequence[Offer], meter: str) -> int:
    """Decimal places of the finest price in a column."""
    return max((decimals(format_price(offer.prices[meter])) for offer in offers if meter in offer.prices), default=0)


def other_meters(offer: Offer) -> list[str]:
    """Meters with a price of their own and no column; one that is billed as another meter needs no words."""
    return [meter for meter in offer.prices if meter not in MAIN_METERS and meter in offer.own]


def announced(offers: OfferList) -> list[tuple[Instant, list[Entry]]]:
    """Announced changes by their date, soonest first."""
    found: dict[Instant, list[Offer]] = {}
    for offer in offers.offers:
        if offer.next is not None:
            found.setdefault(offer.next.effective_from, []).append(offer)
    return [(start, by_model(found[start])) for start in sorted(found)]


def featured_model(offers: OfferList) -> str:
    """The model that examples call; empty when no chat model is sold."""
    return next((offer.model.name for offer in _chat(offers)), "")


def example(offers: OfferList, book: PriceBook, now: Instant) -> Example | None:
    """What an ordinary chat call costs, by the rates in force; None when no chat model is sold."""
    for offer in _chat(offers):
        rates = book.rates(offer.model.name, offer.tier, now)
        if rates is not None:
            return Example(offer.model, offer.tier, lines(EXAMPLE, rates), rate(EXAMPLE, rates).amount)
    return None


def _chat(offers: OfferList) -> list[Offer]:
    """Offers that a first call can be made to, the tier for daily use first."""
    chat = [offer for offer in offers.offers if offer.model.kind is Kind.CHAT and "output" in offer.prices]
    return sorted(chat, key=lambda offer: PREFERRED.index(offer.tier))
