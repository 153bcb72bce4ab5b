"""Everything that is not the data plane: the public pages and the portal, in one application."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from puyun.config import Brand
from puyun.kit.clock import Clock
from puyun.portal.board import PriceBoard, PriceSource
from puyun.portal.pages.home import Home
from puyun.portal.pages.prices import PriceFeed
from puyun.web.app import create_app
from puyun.web.site import Site


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class PageDeps:
    """What the pages need. `prices` gives the snapshot that the data plane bills by at this moment."""

    engine: Engine
    clock: Clock
    brand: Brand
    prices: Callable[[], PriceSource]
    stopping: Callable[[], bool] = _never


def create_pages(deps: PageDeps, *, more: Callable[[Site], Sequence[BaseRoute]] | None = None) -> ASGIApp:
    """The ASGI application; `more` adds the routes of another face to it."""
    site = Site(deps.engine, deps.clock, deps.brand, ("puyun.portal",))
    board = PriceBoard(deps.prices, deps.clock)
    routes = [
        *Home(site, board).routes(),
        *PriceFeed(board, deps.clock, deps.brand.currency, deps.stopping).routes(),
    ]
    return create_app(site, [*(more(site) if more else ()), *routes])
