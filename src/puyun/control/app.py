"""The control API as a part of the application of pages: its routes, its document, and the page that shows it."""

from fastapi import FastAPI
from fastapi.exceptions import HTTPException
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import puyun
from puyun.control import keys, reads, webhooks
from puyun.control.access import ControlDeps, Needs
from puyun.control.billing import budgets, papers
from puyun.control.docs import DocsPage
from puyun.control.errors import HANDLERS
from puyun.control.shapes import Refusal
from puyun.web.app import Face
from puyun.web.site import Site

PATH = "/api/v1"

BODY_MAX = 128 * 1024
"""Bytes of a body; a key with every model it can have fits."""

_DESCRIPTION = (
    "What the portal does, for programs. Amounts are decimal strings, times ISO 8601 in UTC. Lists come in pages: send "
    "`next_cursor` as `cursor` until it is null. Every write carries an `Idempotency-Key`: sent again within a day it "
    "gets the same answer and does nothing twice."
)


def control_face(deps: ControlDeps) -> Face:
    """To be served beside the portal."""
    api = create_control(deps)

    def routes(site: Site) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/docs", DocsPage(site, api.openapi).page),
            Route("/openapi.json", described),
            Mount(PATH, app=Bounded(api)),
        ]

    def described(_request: Request) -> Response:
        return RedirectResponse(f"{PATH}/openapi.json", 307)

    return Face("puyun.control", routes)


def create_control(deps: ControlDeps) -> FastAPI:
    api = FastAPI(
        title=f"{puyun.__name__} control API",
        version=puyun.__version__,
        description=_DESCRIPTION,
        servers=[{"url": PATH}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        exception_handlers=HANDLERS,
        responses={"default": {"model": Refusal, "description": "An error, always in this shape."}},
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.control = deps
    for router in (papers.router, reads.router, keys.router, budgets.router, webhooks.router):
        for route in router.routes:
            if isinstance(route, APIRoute):
                route.openapi_extra = {"x-scope": _scope(route)}
        api.include_router(router)
    return api


def _scope(route: APIRoute) -> str:
    """What a token needs, for the document: `*` for any token, empty for none at all."""
    needed = [part.call.scope for part in route.dependant.dependencies if isinstance(part.call, Needs)]
    return (needed[0] or "*") if needed else ""


class Bounded:
    """Bodies have a bound, and no answer is kept by anybody on the way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = BODY_MAX

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"A body has at most {BODY_MAX} bytes.")
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, bounded, marked)
