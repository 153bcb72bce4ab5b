"""One model: its prices, what was announced, how they changed, what a use costs, how fast it is, how to call it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import METERS, PREFERRED, TIERS, Tier
from puyun.portal.board import PriceBoard
from puyun.portal.shop.changes import changes_of
from puyun.portal.shop.compare import costs_of
from puyun.portal.shop.cost import MONTH_DAYS, parse_plan
from puyun.portal.shop.history import history_of
from puyun.portal.shop.speed import SpeedBoard
from puyun.pricing.offers import Offer
from puyun.protocol.openai import ENDPOINTS
from puyun.web.site import Site


class ModelPage:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board
        self._speed = SpeedBoard(site.engine, site.clock)

    def routes(self) -> list[BaseRoute]:
        return [Route("/models/{name:path}", self.page)]

    def page(self, request: Request) -> Response:
        source, now = self._board.source(), self._site.clock.now()
        model = next((model for model in source.models if model.name == request.path_params["name"]), None)
        if model is None:
            raise HTTPException(404)
        offers = [offer for offer in self._board.current().offers if offer.model.name == model.name]
        used = frozenset[str]().union(*(offer.own for offer in offers))
        sold = [offer.tier for offer in offers if offer.prices]
        form = parse_plan(request.query_params)
        context: dict[str, object] = {
            "model": model,
            "offers": offers,
            "meters": [meter for meter in METERS if meter in used],
            "changes": [offer for offer in offers if offer.next is not None],
            "history": history_of(changes_of(source.book.history(model.name)), now),
            "form": form,
            "costs": costs_of(source.book, model, [tier for tier in TIERS if tier in sold], form.plan, now),
            "days": MONTH_DAYS,
            "speed": self._speed.of(model.name),
            "first_tier": first_tier(offers),
            "callable": any(endpoint.kind is model.kind for endpoint in ENDPOINTS),
        }
        return self._site.render(request, "model.html", context)


def first_tier(offers: list[Offer]) -> Tier:
    """The tier that examples name: one at which the model is sold, that for daily use if it may be."""
    sold = {offer.tier for offer in offers if offer.prices}
    return next((tier for tier in PREFERRED if tier in sold), Tier.FLEX)
