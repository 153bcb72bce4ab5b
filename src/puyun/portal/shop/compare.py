"""Up to four models beside each other, and what a use of each would cost at every tier."""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import METERS, TIERS, Kind, Model, Tier
from puyun.kit.clock import Instant
from puyun.portal.board import PriceBoard
from puyun.portal.shop.cost import FIELDS, MONTH_DAYS, Cost, Form, Plan, cost_of, parse_plan
from puyun.pricing.offers import Offer
from puyun.pricing.pricebook import PriceBook
from puyun.web.site import Site

MODELS_MAX = 4

_NAMES_MAX = 20
"""Names that are looked at; an address with more is no comparison."""

_NAME_MAX = 200


class Column(msgspec.Struct, frozen=True):
    """One model with its offers and costs by tier. `without`: the address of the comparison without it."""

    model: Model
    offers: dict[Tier, Offer]
    costs: dict[Tier, Cost]
    without: str


class ComparePage:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board

    def routes(self) -> list[BaseRoute]:
        return [Route("/compare", self.page)]

    def page(self, request: Request) -> Response:
        source, offers, now = self._board.source(), self._board.current(), self._site.clock.now()
        wanted = parse_names(request.query_params.getlist("m"))
        known = {model.name: model for model in source.models}
        names = [name for name in wanted if name in known]
        form = parse_plan(request.query_params)
        shown = names[:MODELS_MAX]
        columns = [
            Column(
                known[name],
                found := {offer.tier: offer for offer in offers.offers if offer.model.name == name},
                costs_of(source.book, known[name], list(found), form.plan, now),
                address([other for other in shown if other != name], form),
            )
            for name in shown
        ]
        used = frozenset[str]().union(*(offer.own for column in columns for offer in column.offers.values()))
        context: dict[str, object] = {
            "columns": columns,
            "unknown": [name for name in wanted if name not in known],
            "left_out": names[MODELS_MAX:],
            "meters": [meter for meter in METERS if meter in used],
            "tiers": [tier for tier in TIERS if any(tier in column.offers for column in columns)],
            "most": MODELS_MAX,
            "form": form,
            "days": MONTH_DAYS,
        }
        return self._site.render(request, "compare.html", context)


def parse_names(values: Sequence[str]) -> list[str]:
    """The names of an address, each once, in its order."""
    return list(dict.fromkeys(value[:_NAME_MAX] for value in values[:_NAMES_MAX] if value))


def costs_of(book: PriceBook, model: Model, tiers: Sequence[Tier], plan: Plan | None, now: Instant) -> dict[Tier, Cost]:
    """By tiers that it is sold at now. Only a chat model says anything, so others are asked for no output."""
    if plan is None:
        return {}
    if model.kind is not Kind.CHAT:
        plan = msgspec.structs.replace(plan, tokens_out=0)
    found = {tier: book.rates(model.name, tier, now) for tier in tiers}
    return {
        tier: cost_of(plan, rates) for tier, rates in found.items() if rates is not None and rates.serves(model.kind)
    }


def address(names: Sequence[str], form: Form) -> str:
    """Of a comparison of these models, with what was typed as far as it is not the usual."""
    typed = [(name, form.values[name]) for name, usual in FIELDS.items() if form.values[name] != str(usual)]
    encoded = urlencode([("m", name) for name in names] + typed)
    return f"/compare?{encoded}" if encoded else "/compare"
