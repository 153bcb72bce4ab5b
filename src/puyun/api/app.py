"""Routes of the customers' read API and of the process's health; every other path goes on to the pages."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from puyun.api import reads as read
from puyun.api.access import ApiDeps, failure, public, reads
from puyun.api.limits import LimitFeed
from puyun.kit.errors import PuyunError

RECEIPT_KEYS = "/.well-known/puyun-receipt-keys"

ALLOWED = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, OPTIONS",
    # The star does not cover credentials: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
    "access-control-allow-headers": "*, authorization",
    "access-control-max-age": "86400",
}


def create_api(deps: ApiDeps, pages: ASGIApp) -> Starlette:
    """One application for everything that is not a data-plane call."""

    def ready(_request: Request) -> Response:
        answers = deps.plane.ready
        return JSONResponse({"ready": answers}, 200 if answers else 503)

    def healthy(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def unknown(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(None, 204, ALLOWED)
        paths = ", ".join(sorted(endpoint.decode() for endpoint in deps.plane.endpoints))
        text = f"There is no {request.method} {request.url.path}. Calls are POST {paths}; see /docs for the rest."
        error = PuyunError("not_found", 404, text)
        if request.url.path.encode() in deps.plane.endpoints:
            error = PuyunError("method_not_allowed", 405, text, headers={"allow": "POST, OPTIONS"})
        return failure(error, deps.plane.mint_request_id())

    feed = LimitFeed(deps)
    routes = [
        Route("/healthz", healthy),
        Route("/readyz", ready),
        Route(RECEIPT_KEYS, public(deps, read.receipt_keys)),
        Route("/v1/models", reads(deps, read.models)),
        Route("/v1/models/{id:path}", reads(deps, read.model)),
        Route("/v1/balance", reads(deps, read.balance)),
        Route("/v1/usage", reads(deps, read.usage)),
        Route("/v1/limits", feed.limits),
        Route("/v1/limits/stream", feed.stream),
        Route("/v1/receipts/{id}", reads(deps, read.receipt)),
        Route("/v1/statements/{month}", reads(deps, read.statement)),
        Route("/v1/{rest:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        Mount("/", pages),
    ]
    return Starlette(routes=routes)
