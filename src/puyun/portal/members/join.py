"""Following the link of an invitation: as who one is, or with a new password, also where sign-up is closed."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.config import Mail, Signup
from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.portal.hashing import Hashing
from puyun.portal.members.page import JOIN
from puyun.portal.pages.signin import HOME
from puyun.portal.tries import count_try, signups_by_address
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_user, find_user
from puyun.storage.members.invitations import Invitation, accept, find
from puyun.storage.security.acts import Kind, record
from puyun.storage.signup.verifying import verify
from puyun.system.passwords import MAXIMUM, MINIMUM, hash_password
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import (
    SignInNeededError,
    form_secret,
    new_form_secret,
    remember_form,
    remember_session,
    session_secret,
)
from puyun.web.site import Site

_SECRET_MAX = 100


class JoinPage:
    """`mail`: whether links come by mail, and so whoever follows one reads it; `terms`: what a verified address may get."""

    def __init__(self, site: Site, hashing: Hashing, mail: Mail, terms: Signup) -> None:
        self._site = site
        self._hashing = hashing
        self._mailed = bool(mail.host)
        self._terms = terms

    def routes(self) -> list[BaseRoute]:
        path = JOIN + "/{secret}"
        return [Route(path, self.show, methods=["GET"]), Route(path, self.submit, methods=["POST"])]

    def show(self, request: Request) -> Response:
        return self._page(request, self._found(request))

    async def submit(self, request: Request) -> Response:
        form = await read_form(request)
        return await self._hashing.run(self._submit, request, form)

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        user = self._user(request)
        csrf.check(request, form, session_secret(request) if user else form_secret(request))
        found = self._found(request)
        if user is not None:
            return self._joined(self._accept(request, user))
        password = form.get("password", "")
        if not MINIMUM <= len(password) <= MAXIMUM:
            return self._page(request, found, wrong=True, status=400)
        address = request.client.host if request.client else ""
        count_try(self._site.engine, self._site.clock.now(), signups_by_address(address))
        user = self._create(request, found, hash_password(password))
        response = self._joined(found)
        remember_session(request, response, self._site.sessions.open(request, user.id))
        return response

    def _accept(self, request: Request, user: User) -> Invitation:
        now = self._site.clock.now()
        with writing(self._site.engine) as connection:
            found = accept(connection, _secret(request), user.id, user.email, now)
            self._record(connection, user, found, now)
            if self._mailed:
                verify(connection, user.id, self._terms, now)
        return found

    def _create(self, request: Request, found: Invitation, stored: str) -> User:
        """User and membership, both or neither. Raises `user_exists` (409): then they sign in first."""
        now = self._site.clock.now()
        with writing(self._site.engine) as connection:
            user = create_user(connection, found.email, stored, now=now, verified=self._mailed)
            self._record(connection, user, accept(connection, _secret(request), user.id, user.email, now), now)
        return user

    def _record(self, connection: Connection, user: User, found: Invitation, now: Instant) -> None:
        record(connection, Kind.JOINED, at=now, actor=user.id, user=user.id, org=found.org, detail=found.role)

    def _joined(self, found: Invitation) -> Response:
        return RedirectResponse(f"{HOME}?org={format_id('org', found.org)}", 303)

    def _found(self, request: Request) -> Invitation:
        """Raises `invitation_ended` (410)."""
        with reading(self._site.engine) as connection:
            found = find(connection, _secret(request), self._site.clock.now())
        if found is None:
            message = "This invitation was used, withdrawn or is too old. Ask for another."
            raise PuyunError("invitation_ended", 410, message)
        return found

    def _user(self, request: Request) -> User | None:
        try:
            return self._site.sessions.user(request)
        except SignInNeededError:
            return None

    def _page(self, request: Request, found: Invitation, *, wrong: bool = False, status: int = 200) -> Response:
        user = self._user(request)
        with reading(self._site.engine) as connection:
            known = find_user(connection, found.email) is not None
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {
            "invitation": found,
            "user": user,
            "known": known,
            "wrong": wrong,
            "here": request.url.path,
            "password_min": MINIMUM,
            "password_max": MAXIMUM,
        }
        token = session_secret(request) if user else secret
        response = self._site.render(request, "join.html", context, status=status, form=token)
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer"
        if user is None:
            remember_form(request, response, secret)
        return response


def _secret(request: Request) -> str:
    return request.path_params["secret"][:_SECRET_MAX]
