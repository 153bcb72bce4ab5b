"""Who asks, and what an error looks like, for every endpoint in this package."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from anyio import from_thread
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response

from puyun.arbiter.interface import Arbiter
from puyun.catalog.snapshot import Key
from puyun.gateway.admit import address_of, check_address, credentials_of, identify
from puyun.gateway.finish import unavailable
from puyun.gateway.serving import UNKNOWN, DataPlane
from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.protocol.openai import encode_error
from puyun.storage.reports.signatures import Signer


@dataclass(frozen=True, kw_only=True)
class ApiDeps:
    """What the endpoints need; `plane` is the data plane of this process, for its keys and prices; `signer` signs receipts.

    `stopping` turns true when the server wants to go; streams then end by themselves.
    """

    engine: Engine
    clock: Clock
    plane: DataPlane
    arbiter: Arbiter
    currency: str
    signer: Signer
    stopping: Callable[[], bool]


Reader = Callable[[Request, ApiDeps, Key], Response]


def reads(deps: ApiDeps, reader: Reader) -> Callable[[Request], Response]:
    """An endpoint that needs a key. Runs in a thread, since it reads the database."""

    @wraps(reader)
    def signed_in(request: Request, deps: ApiDeps) -> Response:
        try:
            key = asker(request, deps)
        except PuyunError as error:
            raise from_thread.run(knocked, error, request, deps) from None
        return reader(request, deps, key)

    return public(deps, signed_in)


def asker(request: Request, deps: ApiDeps) -> Key:
    """The key that is used. Raises PuyunError 401, 403."""
    given = credentials_of(request.headers.raw)
    key = identify(given, deps.plane.keys, deps.clock.now())
    if key.networks:
        check_address(key, address_of(_peer(request), given.forwarded, deps.plane.proxies))
    return key


async def knocked(error: PuyunError, request: Request, deps: ApiDeps) -> PuyunError:
    """What an asker is told: of too many requests without a valid key from its network address, if there were."""
    if error.status != UNKNOWN:
        return error
    return await deps.plane.knocked(request.headers.raw, _peer(request)) or error


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def public(deps: ApiDeps, reader: Callable[[Request, ApiDeps], Response]) -> Callable[[Request], Response]:
    """An endpoint for everybody."""

    @wraps(reader)
    def endpoint(request: Request) -> Response:
        request_id = deps.plane.mint_request_id()
        try:
            response = reader(request, deps)
        except PuyunError as error:
            response = failure(error, request_id)
        except OperationalError:
            response = failure(unavailable(), request_id)
        return finished(response, request_id)

    return endpoint


def finished(response: Response, request_id: str) -> Response:
    """With what every answer of the API has in its head."""
    response.headers["x-request-id"] = request_id
    response.headers["access-control-allow-origin"] = "*"
    response.headers["access-control-expose-headers"] = "*"
    return response


def failure(error: PuyunError, request_id: str) -> Response:
    """The error in the OpenAI dialect."""
    body = encode_error(error, request_id)
    return Response(body, error.status, error.headers, media_type="application/json")
