"""One model: its prices at each tier, what was announced, how the prices changed, how to call it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import METERS
from puyun.portal.board import PriceBoard
from puyun.web.site import Site

HISTORY_MAX = 100


class ModelPage:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board

    def routes(self) -> list[BaseRoute]:
        return [Route("/models/{name:path}", self.page)]

    def page(self, request: Request) -> Response:
        source, now = self._board.source(), self._site.clock.now()
        model = next((model for model in source.models if model.name == request.path_params["name"]), None)
        if model is None:
            raise HTTPException(404)
        offers = [offer for offer in self._board.current().offers if offer.model.name == model.name]
        used = frozenset[str]().union(*(offer.own for offer in offers))
        rows = source.book.history(model.name)
        history = [row for row in rows if row.effective_from <= now and row.revoked is None]
        context: dict[str, object] = {
            "model": model,
            "offers": offers,
            "meters": [meter for meter in METERS if meter in used],
            "history": history[: -HISTORY_MAX - 1 : -1],
        }
        return self._site.render(request, "model.html", context)
