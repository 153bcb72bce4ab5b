"""Signing in and up by an issuer that vouches for somebody: the way there, and what is made of the answer."""

import logging
from collections.abc import Mapping, Sequence

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.integrations.oidc.fetching import UnreachableError
from puyun.integrations.oidc.issuer import IssuerClient
from puyun.integrations.oidc.token import NotVouchedError, Vouched
from puyun.kit.errors import PuyunError
from puyun.portal.entry.journey import SECONDS, Aim, Ticket, Tickets, journey_of, same_state
from puyun.portal.entry.newcomer import Newcomers
from puyun.portal.security.code import HOME, CodePage
from puyun.portal.security.desk import PATH as SECURITY, to
from puyun.storage.engine import reading, writing
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.identities import Identity, connect, find_identity, use_identity
from puyun.web.forms import local_path
from puyun.web.session import SignInNeededError, forget_journey, journey_secret, remember_journey
from puyun.web.site import Site, visitor_of

PATH = "/login/oidc/{name}"
_PARAMETER_MAX = 4000

_SAID = frozenset(
    {
        "signup_closed",
        "email_not_vouched",
        "user_exists",
        "too_many_failures",
        "signups_full",
        "identity_of_another",
        "too_many_identities",
    }
)
"""Refusals that the page has words for; others are a page of their own."""

log = logging.getLogger("puyun.oidc")


class Stopped(msgspec.Struct, frozen=True):
    """Why a journey ends on a page that says what to do: a code that the page has words for."""

    code: str
    status: int
    email: str = ""


class IssuerPages:
    """`clients`: the issuers by name; `code`: whom they let in; `newcomers`: whom nobody knows."""

    def __init__(
        self, site: Site, clients: Sequence[IssuerClient], tickets: Tickets, code: CodePage, newcomers: Newcomers
    ) -> None:
        self._site = site
        self._clients: Mapping[str, IssuerClient] = {client.issuer.name: client for client in clients}
        self._tickets = tickets
        self._code = code
        self._newcomers = newcomers

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.start, methods=["GET"]),
            Route(f"{PATH}/go", self.go, methods=["GET"]),
            Route(f"{PATH}/callback", self.callback, methods=["GET"]),
        ]

    # --- the way there ---------------------------------------------------------------------------------------------
    async def start(self, request: Request) -> Response:
        """`?next=` where to go afterwards; `?for=up` to sign up."""
        client = self._client(request)
        aim = Aim.UP if request.query_params.get("for") == Aim.UP else Aim.IN
        ticket = Ticket(issuer=client.issuer.name, aim=aim, back=local_path(request.query_params.get("next", ""), HOME))
        cookie = self._tickets.sell(ticket, self._site.clock.now())
        response = await self._led(request, client, cookie)
        remember_journey(request, response, cookie, SECONDS)
        return response

    async def go(self, request: Request) -> Response:
        """Of a journey that another page has begun: a form of ours may not lead to another site itself (CSP)."""
        client, cookie = self._client(request), journey_secret(request)
        if self._tickets.read(cookie, client.issuer.name, self._site.clock.now()) is None:
            return self._stopped(request, client, Stopped("ended", 400))
        return await self._led(request, client, cookie)

    async def _led(self, request: Request, client: IssuerClient, cookie: str) -> Response:
        try:
            return to(await client.way(journey_of(cookie, self._back(request, client))))
        except UnreachableError as error:
            return self._away(request, client, error)

    # --- and back --------------------------------------------------------------------------------------------------
    async def callback(self, request: Request) -> Response:
        """One answer to one journey of this browser; the cookie goes with it, however it ends."""
        client = self._client(request)
        response = await self._answered(request, client)
        forget_journey(request, response)
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer"
        return response

    async def _answered(self, request: Request, client: IssuerClient) -> Response:
        given, cookie, now = request.query_params, journey_secret(request), self._site.clock.now()
        name = client.issuer.name
        ticket = self._tickets.read(cookie, name, now)
        if ticket is None or not same_state(cookie, given.get("state", "")):
            return self._stopped(request, client, Stopped("ended", 400))
        if not await run_in_threadpool(self._tickets.use, cookie, name, now):
            return self._stopped(request, client, Stopped("ended", 400))
        if given.get("iss", client.issuer.issuer) != client.issuer.issuer:  # RFC 9207
            return self._stopped(request, client, Stopped("not_vouched", 502))
        code = given.get("code", "")
        if "error" in given or not 0 < len(code) <= _PARAMETER_MAX:
            log.warning("oidc_refused", extra={"issuer": name, "error": given.get("error", "")[:100]})
            denied = given.get("error") == "access_denied"
            return self._stopped(
                request, client, Stopped("denied" if denied else "not_vouched", 403 if denied else 502)
            )
        try:
            vouched = await client.vouched(code, journey_of(cookie, self._back(request, client)))
        except UnreachableError as error:
            return self._away(request, client, error)
        except NotVouchedError as error:
            log.warning("oidc_not_vouched", extra={"issuer": name, "error": str(error)})
            return self._stopped(request, client, Stopped("not_vouched", 502))
        return await run_in_threadpool(self._arrived, request, client, ticket, vouched)

    def _arrived(self, request: Request, client: IssuerClient, ticket: Ticket, vouched: Vouched) -> Response:
        if ticket.aim is Aim.CONNECT:
            return self._connected(request, client, ticket, vouched)
        with reading(self._site.engine) as connection:
            known = find_identity(connection, vouched.issuer, vouched.subject)
        if known is not None:
            return self._welcome(request, known, ticket.back)
        if ticket.aim is Aim.IN:
            return self._stopped(request, client, Stopped("unknown", 403, vouched.contact.email))
        try:
            user = self._newcomers.admit(client.issuer, vouched, visitor=request.client.host if request.client else "")
        except PuyunError as error:
            if error.code not in _SAID:
                raise
            response = self._stopped(request, client, Stopped(error.code, error.status, vouched.contact.email))
            response.headers.update(error.headers)
            return response
        return self._code.welcome(request, user.id, ticket.back)

    def _welcome(self, request: Request, known: Identity, back: str) -> Response:
        with writing(self._site.engine) as connection:
            use_identity(connection, known.id, self._site.clock.now())
        return self._code.welcome(request, known.user.id, back)

    def _connected(self, request: Request, client: IssuerClient, ticket: Ticket, vouched: Vouched) -> Response:
        """Only for the user who set out, still signed in: else somebody else's identity would open their user."""
        try:
            user = self._site.sessions.user(request)
        except SignInNeededError:
            user = None
        if user is None or user.id != ticket.user:
            return self._stopped(request, client, Stopped("ended", 400))
        now, email = self._site.clock.now(), vouched.contact.email
        try:
            with writing(self._site.engine) as connection:
                new = find_identity(connection, vouched.issuer, vouched.subject) is None
                connect(connection, user.id, vouched.issuer, vouched.subject, email=email, now=now)
                if new:
                    detail = client.issuer.title
                    record(connection, Kind.IDENTITY_CONNECTED, at=now, actor=user.id, user=user.id, detail=detail)
        except PuyunError as error:
            if error.code not in _SAID:
                raise
            return self._stopped(request, client, Stopped(error.code, error.status, email))
        return to(ticket.back)

    # --- what they share -------------------------------------------------------------------------------------------
    def _client(self, request: Request) -> IssuerClient:
        """Raises PuyunError `issuer_not_found` (404)."""
        client = self._clients.get(request.path_params["name"])
        if client is None:
            raise PuyunError("issuer_not_found", 404, "Nobody signs in this way here.")
        return client

    def _back(self, request: Request, client: IssuerClient) -> str:
        return f"{visitor_of(request).origin}{PATH.format(name=client.issuer.name)}/callback"

    def _away(self, request: Request, client: IssuerClient, error: UnreachableError) -> Response:
        log.warning("oidc_unreachable", extra={"issuer": client.issuer.name, "error": str(error)})
        return self._stopped(request, client, Stopped("unreachable", 503))

    def _stopped(self, request: Request, client: IssuerClient, stopped: Stopped) -> Response:
        context: dict[str, object] = {"issuer": client.issuer, "stopped": stopped, "security": SECURITY}
        response = self._site.render(request, "entry/stopped.html", context, status=stopped.status)
        response.headers["cache-control"] = "no-store"
        return response
