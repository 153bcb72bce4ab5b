"""A new password by a link that is mailed, for whoever has forgotten theirs or never had one."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.config import Signup
from puyun.identity.model import User
from puyun.identity.rules import clean_email
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.portal.hashing import Hashing
from puyun.portal.letters.entry import RESET, Letters
from puyun.portal.security.code import HOME, CodePage
from puyun.portal.tries import TooManyFailuresError, by_email, count_within, resets_by_address, resets_by_email
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_user, set_password_hash
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.links import Purpose, find_link, use_link
from puyun.storage.sessions import forgive
from puyun.storage.signup.verifying import end_other_ways_in, is_verified, verify
from puyun.system.passwords import MAXIMUM, MINIMUM, hash_password
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import form_secret, new_form_secret, remember_form
from puyun.web.site import Site, visitor_of

_SECRET_MAX = 100
_TYPED_MAX = 1000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request for a link. `sent`: the answer that everybody gets, known or not; `ended`: a link
    was followed that opens nothing any more.
    """

    email: str = ""
    sent: bool = False
    wrong: bool = False
    ended: bool = False
    until: Instant | None = None
    status: int = 200


class ResetPages:
    """`letters`: without mail the page says whom to ask; `terms`: what a verified address may get."""

    def __init__(self, site: Site, hashing: Hashing, code: CodePage, letters: Letters, terms: Signup) -> None:
        self._site = site
        self._hashing = hashing
        self._code = code
        self._letters = letters
        self._terms = terms

    def routes(self) -> list[BaseRoute]:
        link = RESET + "/{secret}"
        return [
            Route(RESET, self.show, methods=["GET"]),
            Route(RESET, self.ask, methods=["POST"]),
            Route(link, self.open, methods=["GET"]),
            Route(link, self.submit, methods=["POST"]),
        ]

    # --- asking for a link -----------------------------------------------------------------------------------------
    def show(self, request: Request) -> Response:
        return self._page(request, Asked())

    async def ask(self, request: Request) -> Response:
        return await run_in_threadpool(self._ask, request, await read_form(request))

    def _ask(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        if not self._letters.go_out:
            return self._page(request, Asked())
        typed, now = form.get("email", "")[:_TYPED_MAX], self._site.clock.now()
        try:
            email = clean_email(typed)
        except PuyunError as error:
            return self._page(request, Asked(email=typed, wrong=True, status=error.status))
        address, language = request.client.host if request.client else "", visitor_of(request).language
        try:
            with writing(self._site.engine) as connection:  # one for both, so that the time does not tell who is known
                count_within(connection, now, resets_by_email(email), resets_by_address(address))
                user = find_user(connection, email)
                if user is not None:
                    self._letters.reset(connection, user, language, now)
        except TooManyFailuresError as error:
            response = self._page(request, Asked(email=email, until=error.until, status=429))
            response.headers.update(error.headers)
            return response
        return self._page(request, Asked(email=email, sent=True))

    def _page(self, request: Request, asked: Asked) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {"asked": asked, "mail": self._letters.go_out, "path": RESET}
        response = self._site.render(request, "entry/reset.html", context, status=asked.status, form=secret)
        remember_form(request, response, secret)
        return response

    # --- following it ----------------------------------------------------------------------------------------------
    def open(self, request: Request) -> Response:
        """Looking uses nothing up: programs that check mail for harm follow links too."""
        user = self._found(request)
        return self._gone(request) if user is None else self._new(request, user, "")

    async def submit(self, request: Request) -> Response:
        return await self._hashing.run(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        user, new = self._found(request), form.get("new", "")
        if user is None:
            return self._gone(request)
        if not MINIMUM <= len(new) <= MAXIMUM:
            return self._new(request, user, "unfit_password")
        if new != form.get("again", ""):
            return self._new(request, user, "not_the_same")
        if not self._set(request, hash_password(new)):
            return self._gone(request)
        return self._code.welcome(request, user.id, HOME)

    def _set(self, request: Request, stored: str) -> bool:
        """False for the second of two posts of one link."""
        now = self._site.clock.now()
        with writing(self._site.engine) as connection:
            user = use_link(connection, _secret(request), Purpose.RESET, now)
            if user is None:
                return False
            if not is_verified(connection, user.id):
                end_other_ways_in(connection, user.id, now)
            set_password_hash(connection, user.id, stored)
            verify(connection, user.id, self._terms, now)
            forgive(connection, by_email(user.email)[0])
            record(connection, Kind.PASSWORD_RESET, at=now, actor=user.id, user=user.id)
            self._letters.password_changed(connection, user, visitor_of(request).language, now)
        return True

    def _found(self, request: Request) -> User | None:
        with reading(self._site.engine) as connection:
            return find_link(connection, _secret(request), Purpose.RESET, self._site.clock.now())

    def _gone(self, request: Request) -> Response:
        return self._page(request, Asked(ended=True, status=410))

    def _new(self, request: Request, user: User, fault: str) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {"email": user.email, "fault": fault, "here": request.url.path}
        context |= {"minimum": MINIMUM, "maximum": MAXIMUM}
        status = 422 if fault else 200
        response = self._site.render(request, "entry/new-password.html", context, status=status, form=secret)
        return private(request, response, secret)


def private(request: Request, response: Response, secret: str) -> Response:
    """A page whose address is a secret: nobody keeps it, and no link on it tells where it was."""
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "no-referrer"
    remember_form(request, response, secret)
    return response


def _secret(request: Request) -> str:
    return request.path_params["secret"][:_SECRET_MAX]
