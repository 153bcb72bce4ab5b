"""Your data: a copy of all that is kept of a person, and the end of their user."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.clock import Instant
from puyun.portal.hashing import Hashing
from puyun.portal.member import Member, member_of
from puyun.portal.tries import TooManyFailuresError, by_email, count_try
from puyun.storage.engine import reading, writing
from puyun.storage.identity import password_hash
from puyun.storage.people.closing import NotYetError, close_user, obstacles
from puyun.storage.people.copy import copy_of
from puyun.storage.sessions import forgive
from puyun.system.passwords import verify_password
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import forget_session, session_secret
from puyun.web.site import Site

PATH = "/portal/settings/data"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong with a form that was sent."""

    status: int = 200
    wrong: bool = False
    until: Instant | None = None


class DataPage:
    """Whoever is in no organization any more may still have a copy and go: `/portal/settings/data` asks for a member."""

    def __init__(self, site: Site, hashing: Hashing) -> None:
        self._site = site
        self._hashing = hashing

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.page, methods=["GET"]),
            Route(f"{PATH}/copy", self.copy, methods=["GET"]),
            Route(f"{PATH}/close", self.close, methods=["POST"]),
        ]

    def page(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.SEE_USAGE), Said())

    def copy(self, request: Request) -> Response:
        """Needs nothing but being signed in."""
        user = self._site.sessions.user(request)
        with reading(self._site.engine) as connection:
            found = copy_of(connection, user)
        name = f"attachment; filename=user-{user.id}.json"
        headers = {"cache-control": "no-store", "content-disposition": name}
        return Response(msgspec.json.format(msgspec.json.encode(found)), media_type="application/json", headers=headers)

    async def close(self, request: Request) -> Response:
        form = await read_form(request)
        member = await run_in_threadpool(member_of, self._site, request, Permission.SEE_USAGE)
        csrf.check(request, form, session_secret(request))
        return await self._hashing.run(self._close, request, member, form.get("password", ""))

    def _close(self, request: Request, member: Member, password: str) -> Response:
        """The password is asked for again: a browser left open must not be enough. Tries count as those to sign in."""
        user, now, engine = member.user, self._site.clock.now(), self._site.engine
        tries = by_email(user.email)
        try:
            count_try(engine, now, tries)
        except TooManyFailuresError as error:
            response = self._page(request, member, Said(status=429, until=error.until))
            response.headers.update(error.headers)
            return response
        with reading(engine) as connection:
            stored = password_hash(connection, user.id)
        if not verify_password(stored, password):
            return self._page(request, member, Said(status=422, wrong=True))
        try:
            with writing(engine) as connection:
                forgive(connection, tries[0])
                close_user(connection, user.id, now)
        except NotYetError:
            return self._page(request, member, Said(status=409))
        response = RedirectResponse("/", 303)
        forget_session(request, response)
        return response

    def _page(self, request: Request, member: Member, said: Said) -> Response:
        with reading(self._site.engine) as connection:
            kept = obstacles(connection, member.user.id)
        context: dict[str, object] = {
            "member": member,
            "said": said,
            "obstacles": kept,
            "copy_address": f"{PATH}/copy",
            "close_address": f"{PATH}/close{member.query}",
        }
        return self._site.render(request, "settings-data.html", context, status=said.status)
