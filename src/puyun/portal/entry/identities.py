"""Identities in the settings: connecting an issuer with one's user, and letting it go."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.config import Issuer
from puyun.kit.errors import PuyunError
from puyun.portal.entry.journey import SECONDS, Aim, Ticket, Tickets
from puyun.portal.security.desk import PATH, Desk, Owner, Refused, to
from puyun.storage.engine import reading, writing
from puyun.storage.identity import password_hash
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.identities import remove_identity
from puyun.web.session import remember_journey

_NUMBER_MAX = 18
"""Digits: more do not fit a column."""


class IdentityPages:
    """`issuers`: those that may be connected."""

    def __init__(self, desk: Desk, issuers: Sequence[Issuer], tickets: Tickets) -> None:
        self._desk = desk
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._tickets = tickets

    def routes(self) -> list[BaseRoute]:
        one = PATH + "/identities/{name}"
        return [
            Route(f"{PATH}/identities/remove", self.remove, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.submit, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, self._desk.owner(request), None)

    async def submit(self, request: Request) -> Response:
        return await self._desk.posted(request, self._begin)

    def _begin(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        """The password first: a browser left open must not be enough to bring a way in of one's own."""
        refused = self._desk.refusal(request, owner, form.get("password", ""))
        if refused is not None:
            return self._page(request, owner, refused)
        issuer = self._issuer(request)
        back = owner.href(done="identity-new")
        ticket = Ticket(issuer=issuer.name, aim=Aim.CONNECT, back=back, user=owner.user.id)
        response = self._page(request, owner, None, ready=True)
        remember_journey(request, response, self._tickets.sell(ticket, self._desk.site.clock.now()), SECONDS)
        return response

    async def remove(self, request: Request) -> Response:
        return await self._desk.posted(request, self._remove)

    def _remove(self, _request: Request, owner: Owner, form: dict[str, str]) -> Response:
        """One that is gone already is not there afterwards either."""
        number, user = form.get("identity", ""), owner.user.id
        if not (number.isascii() and number.isdecimal() and len(number) <= _NUMBER_MAX):
            return to(owner.href())
        titles = {issuer.issuer: issuer.title for issuer in self._issuers.values()}
        try:
            with writing(self._desk.site.engine) as connection:
                gone = remove_identity(connection, user, int(number))
                if gone is not None:
                    detail, now = titles.get(gone.issuer, gone.issuer), self._desk.site.clock.now()
                    record(connection, Kind.IDENTITY_REMOVED, at=now, actor=user, user=user, detail=detail)
        except PuyunError as error:
            if error.code != "last_way_in":
                raise
            return to(owner.href(done="identity-last"))
        return to(owner.href(done="identity-gone"))

    def _issuer(self, request: Request) -> Issuer:
        """Raises PuyunError `issuer_not_found` (404)."""
        issuer = self._issuers.get(request.path_params["name"])
        if issuer is None:
            raise PuyunError("issuer_not_found", 404, "Nobody signs in this way here.")
        return issuer

    def _page(self, request: Request, owner: Owner, refused: Refused | None, *, ready: bool = False) -> Response:
        issuer = self._issuer(request)
        with reading(self._desk.site.engine) as connection:
            has_password = bool(password_hash(connection, owner.user.id))
        context: dict[str, object] = {"issuer": issuer, "has_password": has_password, "ready": ready}
        return self._desk.page(request, owner, "identity.html", context, refused)
