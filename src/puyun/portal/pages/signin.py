"""Signing in and out by e-mail and password."""

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.model import User
from puyun.kit.clock import SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_user, password_hash
from puyun.storage.sessions import count_attempt, forgive, uncount_attempt
from puyun.system.passwords import verify_password
from puyun.web import csrf, throttle
from puyun.web.forms import local_path, read_form
from puyun.web.session import (
    SignInNeededError,
    forget_session,
    form_secret,
    new_form_secret,
    remember_form,
    remember_session,
    session_secret,
)
from puyun.web.site import Site

HOME = "/portal"
HASHES_AT_ONCE = 2
"""A password check takes 64 MiB and a core; more of them at once would slow the calls of everybody."""

WAITING_MAX = 20
_EMAIL_MAX = 254


class TooManyFailuresError(PuyunError):
    """The address or the e-mail has to wait until `until`."""

    def __init__(self, until: Instant, now: Instant) -> None:
        wait = str(-(-(until - now) // SECOND))
        message = f"Too many failed sign-ins. Try again in {wait} seconds."
        super().__init__("too_many_failures", 429, message, headers={"retry-after": wait})
        self.until = until


class SignIn:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

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
        if self._waiting >= WAITING_MAX:
            raise PuyunError("busy", 503, "Many people sign in right now.", headers={"retry-after": "5"})
        self._waiting += 1
        try:
            async with self._hashing:
                return await run_in_threadpool(self._submit, request, form)
        finally:
            self._waiting -= 1

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
        response = RedirectResponse(back, 303)
        remember_session(request, response, self._site.sessions.open(request, user.id))
        return response

    def _authenticate(self, email: str, password: str, address: str) -> User | None:
        """The user, or None when e-mail and password do not fit. Raises TooManyFailuresError."""
        now = self._site.clock.now()
        by_email = f"email {email}", throttle.FREE_BY_EMAIL
        by_address = f"address {throttle.network_of(address)}", throttle.FREE_BY_ADDRESS
        with writing(self._site.engine) as connection:
            for subject, free in (by_email, by_address):
                until = count_attempt(
                    connection,
                    subject,
                    now,
                    forgotten_after=throttle.FORGOTTEN_AFTER,
                    lock=lambda failures, free=free: throttle.locked_until(failures, free, now),
                )
                if until > now:
                    raise TooManyFailuresError(until, now)
        with reading(self._site.engine) as connection:
            user = find_user(connection, email)
            stored = password_hash(connection, user.id) if user else ""
        if not verify_password(stored, password):
            return None
        with writing(self._site.engine) as connection:
            forgive(connection, by_email[0])
            uncount_attempt(connection, by_address[0], now)
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
        response = self._site.render(request, "login.html", context, status=status, form=secret)
        remember_form(request, response, secret)
        return response
