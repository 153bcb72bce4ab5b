"""Signing in and out by e-mail and password."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.config import Issuer
from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.portal.hashing import Hashing
from puyun.portal.security.code import CodePage
from puyun.portal.tries import TooManyFailuresError, by_address, by_email, count_try
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_user, password_hash
from puyun.storage.sessions import forgive, uncount_attempt
from puyun.system.passwords import verify_password
from puyun.web import csrf
from puyun.web.forms import local_path, read_form
from puyun.web.session import (
    SignInNeededError,
    forget_session,
    form_secret,
    new_form_secret,
    remember_form,
    session_secret,
)
from puyun.web.site import Site

HOME = "/portal"
_EMAIL_MAX = 254


class SignIn:
    """`code`: whom the password lets in, and who owes a code; `issuers`: who else lets in; `signup`, `reset`: whether the
    page leads there.
    """

    def __init__(
        self, site: Site, hashing: Hashing, code: CodePage, issuers: Sequence[Issuer], *, signup: bool, reset: bool
    ) -> None:
        self._site = site
        self._hashing = hashing
        self._code = code
        self._issuers = issuers
        self._signup = signup
        self._reset = reset

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.submit, methods=["POST"]),
            Route("/logout", self.sign_out, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        back = local_path(request.query_params.get("next", ""), HOME)
        try:
            self._site.sessions.user(request)
        except SignInNeededError:
            return self._form(request, back)
        return RedirectResponse(back, 303)

    async def submit(self, request: Request) -> Response:
        form = await read_form(request)
        return await self._hashing.run(self._submit, request, form)

    async def sign_out(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._sign_out, request, form)

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        back = local_path(form.get("next", ""), HOME)
        email = form.get("email", "").strip().lower()[:_EMAIL_MAX]
        try:
            user = self._authenticate(email, form.get("password", ""), request.client.host if request.client else "")
        except TooManyFailuresError as error:
            response = self._form(request, back, email=email, until=error.until, status=429)
            response.headers.update(error.headers)
            return response
        if user is None:
            return self._form(request, back, email=email, wrong=True, status=401)
        return self._code.welcome(request, user.id, back)

    def _authenticate(self, email: str, password: str, address: str) -> User | None:
        """The user, or None when e-mail and password do not fit. Raises TooManyFailuresError."""
        now = self._site.clock.now()
        email_tries, address_tries = by_email(email), by_address(address)
        count_try(self._site.engine, now, email_tries, address_tries)
        with reading(self._site.engine) as connection:
            user = find_user(connection, email)
            stored = password_hash(connection, user.id) if user else ""
        if not verify_password(stored, password):
            return None
        with writing(self._site.engine) as connection:
            forgive(connection, email_tries[0])
            uncount_attempt(connection, address_tries[0], now)
        return user

    def _sign_out(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, session_secret(request))
        self._site.sessions.close(request)
        response = RedirectResponse("/", 303)
        forget_session(request, response)
        return response

    def _form(  # the answers to a sign-in are one page
        self,
        request: Request,
        back: str,
        *,
        email: str = "",
        wrong: bool = False,
        until: Instant | None = None,
        status: int = 200,
    ) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {"next": back, "email": email, "wrong": wrong, "until": until}
        context |= {"issuers": self._issuers, "signup": self._signup, "reset": self._reset}
        response = self._site.render(request, "login.html", context, status=status, form=secret)
        remember_form(request, response, secret)
        return response
