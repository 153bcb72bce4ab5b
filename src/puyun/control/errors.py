"""Every refusal in one shape, whoever speaks it: a service, the framework's validation, or its router."""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from puyun.kit.errors import Blame, PuyunError
from puyun.protocol.openai import encode_error
from puyun.web.security import request_id

_PLACES = frozenset({"body", "query", "path", "header"})
_NAME_MAX = 60


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PuyunError)
    return answer(request, error)


async def malformed(request: Request, error: Exception) -> Response:
    """The first fault of the first field; what was sent is not said back."""
    assert isinstance(error, RequestValidationError)
    first = cast("Mapping[str, object]", error.errors()[0])
    place = cast("tuple[str | int, ...]", first["loc"])
    named = ".".join(str(part)[:_NAME_MAX] for part in place if part not in _PLACES)
    if first["type"] == "json_invalid":
        return answer(
            request, PuyunError("invalid_json", 422, "The body is no JSON document. Check its commas and quotes.")
        )
    text = f"`{named or 'body'}`: {first['msg']}. See /api/v1/docs."
    return answer(request, PuyunError("invalid_request", 422, text, param=named or None))


async def http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    texts = {
        404: f"There is no {request.url.path[:100]}. See /api/v1/docs.",
        405: f"{request.method} is not possible here. See /api/v1/docs.",
    }
    text = texts.get(error.status_code, str(error.detail))
    return answer(request, PuyunError(code, error.status_code, text, headers=dict(error.headers or {})))


async def away(request: Request, _error: Exception) -> Response:
    text = "The database cannot be reached at the moment. Try again."
    headers = {"retry-after": "5"}
    return answer(request, PuyunError("temporarily_unavailable", 503, text, blame=Blame.US, headers=headers))


async def broken(request: Request, _error: Exception) -> Response:
    """A fault of ours. The framework raises it again after the answer, so that the server logs it."""
    text = "Something went wrong on our side. Try again, and tell us the request id if it stays."
    return answer(request, PuyunError("internal_error", 500, text, blame=Blame.US))


def answer(request: Request, error: PuyunError) -> Response:
    return Response(encode_error(error, request_id(request)), error.status, error.headers, "application/json")


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    PuyunError: refused,
    RequestValidationError: malformed,
    HTTPException: http,
    OperationalError: away,
    Exception: broken,
}
