"""Verifying an address: a link that was mailed, on whatever device, and the page that sends it again."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.config import Signup
from puyun.identity.model import User
from puyun.portal.entry.reset import private
from puyun.portal.letters.entry import VERIFY, Letters
from puyun.portal.security.desk import to
from puyun.portal.tries import TooManyFailuresError, count_try, letters_to_verify
from puyun.storage.engine import reading, writing
from puyun.storage.security.links import Purpose, find_link, use_link
from puyun.storage.signup.verifying import is_verified, verify
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import form_secret, new_form_secret, session_secret
from puyun.web.site import Site, visitor_of

HOME = "/portal"
_SECRET_MAX = 100


class VerifyPages:
    """`terms`: what a verified address may get."""

    def __init__(self, site: Site, letters: Letters, terms: Signup) -> None:
        self._site = site
        self._letters = letters
        self._terms = terms

    def routes(self) -> list[BaseRoute]:
        link = VERIFY + "/{secret}"
        return [
            Route(VERIFY, self.show, methods=["GET"]),
            Route(VERIFY, self.again, methods=["POST"]),
            Route(link, self.open, methods=["GET"]),
            Route(link, self.submit, methods=["POST"]),
        ]

    # --- sending it again ------------------------------------------------------------------------------------------
    def show(self, request: Request) -> Response:
        return self._page(request, self._site.sessions.user(request), sent="sent" in request.query_params)

    async def again(self, request: Request) -> Response:
        return await run_in_threadpool(self._again, request, await read_form(request))

    def _again(self, request: Request, form: dict[str, str]) -> Response:
        user, now = self._site.sessions.user(request), self._site.clock.now()
        csrf.check(request, form, session_secret(request))
        if self._verified(user) or not self._letters.go_out:
            return to(VERIFY)
        try:
            count_try(self._site.engine, now, letters_to_verify(user.id))
        except TooManyFailuresError as error:
            response = self._page(request, user, error=error)
            response.headers.update(error.headers)
            return response
        with writing(self._site.engine) as connection:
            self._letters.verify(connection, user, visitor_of(request).language, now)
        return to(f"{VERIFY}?sent=1")

    def _verified(self, user: User) -> bool:
        with reading(self._site.engine) as connection:
            return is_verified(connection, user.id)

    def _page(
        self, request: Request, user: User, *, sent: bool = False, error: TooManyFailuresError | None = None
    ) -> Response:
        context: dict[str, object] = {
            "user": user,
            "verified": self._verified(user),
            "sent": sent,
            "until": error.until if error else None,
            "mail": self._letters.go_out,
            "path": VERIFY,
        }
        return self._site.render(request, "entry/verify.html", context, status=error.status if error else 200)

    # --- following it ----------------------------------------------------------------------------------------------
    def open(self, request: Request) -> Response:
        """Looking uses nothing up: programs that check mail for harm follow links too."""
        with reading(self._site.engine) as connection:
            user = find_link(connection, _secret(request), Purpose.VERIFY, self._site.clock.now())
        return self._link(request, user, done=False)

    async def submit(self, request: Request) -> Response:
        return await run_in_threadpool(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        now = self._site.clock.now()
        with writing(self._site.engine) as connection:
            user = use_link(connection, _secret(request), Purpose.VERIFY, now)
            if user is not None:
                verify(connection, user.id, self._terms, now)
        return self._link(request, user, done=user is not None)

    def _link(self, request: Request, user: User | None, *, done: bool) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {
            "user": user,
            "done": done,
            "here": request.url.path,
            "home": HOME,
            "path": VERIFY,
        }
        status = 410 if user is None else 200
        response = self._site.render(request, "entry/verified.html", context, status=status, form=secret)
        return private(request, response, secret)


def _secret(request: Request) -> str:
    return request.path_params["secret"][:_SECRET_MAX]
