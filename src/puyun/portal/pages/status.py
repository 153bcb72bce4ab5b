"""The public status page: how long calls wait, how soon they are answered, how available each day was."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import TIERS, Tier
from puyun.portal.board import PriceBoard
from puyun.portal.levels import DAYS, LevelBoard
from puyun.web.site import Site


class StatusPage:
    def __init__(self, site: Site, board: PriceBoard, levels: LevelBoard) -> None:
        self._site = site
        self._board = board
        self._levels = levels

    def routes(self) -> list[BaseRoute]:
        return [Route("/status", self.page), Route("/status/tiers", self.tiers)]

    def page(self, request: Request) -> Response:
        status = self._levels.current(self._board.current())
        context: dict[str, object] = {"status": status, "test": status.of(Tier.TEST), "tiers": TIERS, "days": DAYS}
        return self._site.render(request, "status.html", context)

    def tiers(self, request: Request) -> Response:
        """The tiers' figures alone, for an open home page."""
        context: dict[str, object] = {"levels": self._levels.tiers(self._board.current()), "days": DAYS}
        return self._site.render(request, "parts/tier-now.html", context)
