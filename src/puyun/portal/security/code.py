"""The second page of a sign-in: a code. Until then there is no session, only a cookie that says whose code is due."""

import hashlib
import secrets
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.totp import recovery_hash, step_of
from puyun.kit.clock import SECOND, Instant
from puyun.portal.security.desk import Refused, to, wait_of
from puyun.portal.security.second import purpose
from puyun.portal.security.tries import count_code, forgive_codes
from puyun.portal.tries import TooManyFailuresError
from puyun.storage.engine import reading, writing
from puyun.storage.security.second import (
    PENDING_FOR,
    asked_for_code,
    close_pending,
    find_pending,
    find_second_step,
    open_pending,
    use_code,
    use_step,
)
from puyun.system.vault import Vault
from puyun.web import csrf
from puyun.web.forms import local_path, read_form
from puyun.web.session import (
    forget_pending,
    form_secret,
    new_form_secret,
    pending_secret,
    remember_form,
    remember_pending,
    remember_session,
)
from puyun.web.site import Site

PATH = "/login/code"
HOME = "/portal"


class CodePage:
    """Whom the password lets in, and whom it leads here."""

    def __init__(self, site: Site, vault: Vault) -> None:
        self._site = site
        self._vault = vault

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    def welcome(self, request: Request, user: int, back: str) -> Response:
        """The answer to the right password: a session, or the way to the page that asks for a code."""
        now = self._site.clock.now()
        secret = secrets.token_urlsafe(32)
        with writing(self._site.engine) as connection:
            owes = asked_for_code(connection, user)
            if owes:
                open_pending(connection, _fingerprint(secret), user, now)
        if not owes:
            response = to(back)
            remember_session(request, response, self._site.sessions.open(request, user))
            return response
        response = to(f"{PATH}?{urlencode({'next': back})}")
        remember_pending(request, response, secret, PENDING_FOR // SECOND)
        return response

    def show(self, request: Request) -> Response:
        back = local_path(request.query_params.get("next", ""), HOME)
        with reading(self._site.engine) as connection:
            user = find_pending(connection, _fingerprint(pending_secret(request)), self._site.clock.now())
        return self._again(request, back) if user is None else self._page(request, back, None)

    async def submit(self, request: Request) -> Response:
        return await run_in_threadpool(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        back, now = local_path(form.get("next", ""), HOME), self._site.clock.now()
        pending = _fingerprint(pending_secret(request))
        with reading(self._site.engine) as connection:
            user = find_pending(connection, pending, now)
        if user is None:
            return self._again(request, back)
        try:
            count_code(self._site.engine, user, now)
        except TooManyFailuresError as error:
            return self._page(request, back, Refused("wait", 429, error.until))
        with writing(self._site.engine) as connection:
            due = find_pending(connection, pending, now) == user  # under the lock: of two posts at once one goes on
            fits = due and self._fits(connection, user, form.get("code", ""), now)
            if fits:
                forgive_codes(connection, user)
                close_pending(connection, pending)
        if not fits:
            return self._page(request, back, Refused("wrong_any_code", 401))
        response = to(back)
        forget_pending(request, response)
        remember_session(request, response, self._site.sessions.open(request, user))
        return response

    def _fits(self, connection: Connection, user: int, code: str, now: Instant) -> bool:
        """Whether it is a code of the app or one to recover with; it is used up by that."""
        found = find_second_step(connection, user)
        if found is None or found.confirmed_at is None:
            return False
        recovery = recovery_hash(code)
        if recovery is not None:
            return use_code(connection, user, recovery)
        secret = self._vault.unseal(purpose(user), found.sealed)
        step = step_of(secret, code, now, after=found.last_step)
        return step is not None and use_step(connection, user, step)

    def _again(self, request: Request, back: str) -> Response:
        """Nothing is due here: it took too long, or it was done. The sign-in begins with the password."""
        response = to(f"/login?{urlencode({'next': back})}")
        forget_pending(request, response)
        return response

    def _page(self, request: Request, back: str, refused: Refused | None) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {"next": back, "refused": refused}
        status = 200 if refused is None else refused.status
        response = self._site.render(request, "security/code.html", context, status=status, form=secret)
        response.headers["cache-control"] = "no-store"
        if refused is not None and refused.until is not None:
            response.headers["retry-after"] = wait_of(refused.until, self._site.clock.now())
        remember_form(request, response, secret)
        return response


def _fingerprint(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
