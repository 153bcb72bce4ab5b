"""Who is signed in: a random cookie, of which the database keeps only the hash."""

import hashlib
import secrets

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from puyun.identity.model import User
from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.storage.engine import reading, writing
from puyun.storage.notify.choices import suggest_language
from puyun.storage.sessions import close_session, find_session, open_session, touch_session
from puyun.web.language import LANGUAGE_COOKIE, negotiate

COOKIE_SECONDS = 30 * 24 * 3600
_BYTES = 32


class SignInNeededError(PuyunError):
    """The page is for somebody who is signed in; the error handler leads to the sign-in page and back."""

    def __init__(self) -> None:
        super().__init__("sign_in_needed", 401, "Sign in to see this page.")


class Sessions:
    """Opens, reads and ends sessions."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def user(self, request: Request) -> User:
        """Who asks. Raises SignInNeededError."""
        secret = session_secret(request)
        if not secret:
            raise SignInNeededError
        now = self._clock.now()
        with reading(self._engine) as connection:
            session = find_session(connection, _fingerprint(secret), now)
        if session is None:
            raise SignInNeededError
        if session.stale(now):
            with writing(self._engine) as connection:
                touch_session(connection, _fingerprint(secret), now)
        return session.user

    def open(self, request: Request, user: int) -> str:
        """A new session, never one that the browser had before: a planted cookie gains nothing. Returns its secret."""
        secret = secrets.token_urlsafe(_BYTES)
        before = session_secret(request)
        with writing(self._engine) as connection:
            if before:
                close_session(connection, _fingerprint(before))
            agent = request.headers.get("user-agent", "")
            open_session(connection, _fingerprint(secret), user, agent=agent, now=self._clock.now())
            language = negotiate(request.headers.get("accept-language", ""), request.cookies.get(LANGUAGE_COOKIE, ""))
            suggest_language(connection, user, language)
        return secret

    def close(self, request: Request) -> None:
        """End the session of this browser, if it has one."""
        secret = session_secret(request)
        if secret:
            with writing(self._engine) as connection:
                close_session(connection, _fingerprint(secret))


def session_secret(request: Request) -> str:
    """The session cookie's value; empty when there is none."""
    return request.cookies.get(_name(request, "session"), "")


def session_fingerprint(request: Request) -> bytes:
    """What the database keeps of this browser's session."""
    return _fingerprint(session_secret(request))


def form_secret(request: Request) -> str:
    """What forms of somebody who is not signed in are tied to; empty before the first form."""
    return request.cookies.get(_name(request, "form"), "")


def new_form_secret() -> str:
    return secrets.token_urlsafe(_BYTES)


def remember_session(request: Request, response: Response, secret: str) -> None:
    _set(request, response, "session", secret, COOKIE_SECONDS)


def forget_session(request: Request, response: Response) -> None:
    _set(request, response, "session", "", 0)


def pending_secret(request: Request) -> str:
    """The cookie of somebody who gave the right password and still owes a code; it opens nothing by itself."""
    return request.cookies.get(_name(request, "pending"), "")


def remember_pending(request: Request, response: Response, secret: str, seconds: int) -> None:
    _set(request, response, "pending", secret, seconds)


def forget_pending(request: Request, response: Response) -> None:
    _set(request, response, "pending", "", 0)


def journey_secret(request: Request) -> str:
    """The cookie of somebody who is on the way to an issuer and back."""
    return request.cookies.get(_name(request, "journey"), "")


def remember_journey(request: Request, response: Response, secret: str, seconds: int) -> None:
    _set(request, response, "journey", secret, seconds)


def forget_journey(request: Request, response: Response) -> None:
    _set(request, response, "journey", "", 0)


def remember_form(request: Request, response: Response, secret: str) -> None:
    _set(request, response, "form", secret, None)


def _name(request: Request, name: str) -> str:
    """`__Host-` binds a cookie to this very host; browsers accept it over TLS alone."""
    return f"__Host-{name}" if request.url.scheme == "https" else f"puyun-{name}"


def _set(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(
        _name(request, name), value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )


def _fingerprint(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
