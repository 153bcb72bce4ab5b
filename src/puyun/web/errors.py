"""Errors as pages for people and as JSON for programs: what happened, what to do, and the id to name when asking."""

from http import HTTPStatus
from urllib.parse import quote

import msgspec
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from puyun.kit.errors import PuyunError
from puyun.web.security import request_id
from puyun.web.session import SignInNeededError
from puyun.web.site import Site

RETRY_AFTER = "5"
"""Seconds after which the database may be back."""


class Errors:
    """The handlers that an application of pages installs."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def sign_in_needed(self, request: Request, _error: Exception) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(path, safe='')}", 303)

    def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, PuyunError)
        return self._answer(request, error.status, error.code, error.message, error.headers)

    def unreachable(self, request: Request, _error: Exception) -> Response:
        """The database is busy or away. The address has all that was chosen, so asking again loses nothing."""
        return self._answer(request, 503, "temporarily_unavailable", "", {"retry-after": RETRY_AFTER})

    def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return self._answer(request, error.status_code, code, "", dict(error.headers or {}))

    def broken(self, request: Request, _error: Exception) -> Response:
        """A fault of ours. The framework raises it again after the answer, so that the server logs it."""
        return self._answer(request, 500, "internal_error", "", {})

    def handlers(self) -> dict[type[Exception], object]:
        return {
            SignInNeededError: self.sign_in_needed,
            PuyunError: self.refused,
            OperationalError: self.unreachable,
            HTTPException: self.http,
            Exception: self.broken,
        }

    def _answer(self, request: Request, status: int, code: str, message: str, headers: dict[str, str]) -> Response:
        if request.url.path.startswith("/api/"):
            text = message or f"{HTTPStatus(status).phrase}."
            error = {"message": text, "type": code, "param": None, "code": code, "request_id": request_id(request)}
            body = msgspec.json.encode({"error": error})
            return Response(body, status, headers, "application/json")
        context: dict[str, object] = {"status": status, "message": message, "request_id": request_id(request)}
        response = self._site.render(request, "error.html", context, status=status)
        response.headers.update(headers)
        return response
