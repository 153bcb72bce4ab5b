"""The application around the routes of a face: errors, security headers, static files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, ExceptionHandler

from puyun.web.errors import Errors
from puyun.web.security import Guard
from puyun.web.site import Site


@dataclass(frozen=True)
class Face:
    """A package of pages: its name, whose templates are used, and its routes."""

    package: str
    routes: Callable[[Site], Sequence[BaseRoute]]


def create_app(site: Site, routes: Sequence[BaseRoute]) -> ASGIApp:
    """Everything but the data plane; what no route knows is answered with a page that says so."""
    handlers = cast("Mapping[type[Exception], ExceptionHandler]", Errors(site).handlers())
    return Guard(Starlette(routes=[*routes, *site.routes()], exception_handlers=handlers))
