"""The overview: what protects a user, and where they are signed in."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.config import Issuer
from puyun.identity.device import Device, device_of
from puyun.portal.security.desk import PATH, Desk, Owner, to
from puyun.storage.engine import reading, writing
from puyun.storage.identity import password_hash
from puyun.storage.security.acts import acts_of_user
from puyun.storage.security.identities import list_identities
from puyun.storage.security.passkeys import list_passkeys
from puyun.storage.security.second import find_second_step
from puyun.storage.security.sessions import LISTED, Seen, end_other_sessions, end_session, list_sessions
from puyun.web.session import session_fingerprint

DONE = frozenset(
    {
        "password",
        "session",
        "sessions",
        "code-on",
        "code-off",
        "passkey-new",
        "passkey-gone",
        "identity-new",
        "identity-gone",
        "identity-last",
    }
)
"""What the page can say of what was just done."""


ACTS = 20


class Listed(msgspec.Struct, frozen=True):
    session: Seen
    device: Device


class Overview:
    """The page itself, and the ends of sessions, which need no page of their own. `issuers`: those that may be connected."""

    def __init__(self, desk: Desk, issuers: Sequence[Issuer]) -> None:
        self._desk = desk
        self._issuers = issuers

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/sessions/end", self.end, methods=["POST"]),
            Route(f"{PATH}/sessions/end-others", self.end_others, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        owner, now = self._desk.owner(request), self._desk.site.clock.now()
        with reading(self._desk.site.engine) as connection:
            sessions = list_sessions(connection, owner.user.id, session_fingerprint(request), now)
            second = find_second_step(connection, owner.user.id)
            passkeys = list_passkeys(connection, owner.user.id)
            identities = list_identities(connection, owner.user.id)
            acts = acts_of_user(connection, owner.user.id, ACTS)
            has_password = bool(password_hash(connection, owner.user.id))
        done = request.query_params.get("done", "")
        context: dict[str, object] = {
            "sessions": [Listed(session, device_of(session.agent)) for session in sessions],
            "cut": len(sessions) == LISTED,
            "second": second if second is not None and second.confirmed_at is not None else None,
            "passkeys": passkeys,
            "acts": acts,
            "identities": identities,
            "issuers": self._issuers,
            "titles": {issuer.issuer: issuer.title for issuer in self._issuers},
            "has_password": has_password,
            "done": done if done in DONE else "",
        }
        return self._desk.page(request, owner, "overview.html", context)

    async def end(self, request: Request) -> Response:
        return await self._desk.posted(request, self._end)

    async def end_others(self, request: Request) -> Response:
        return await self._desk.posted(request, self._end_others)

    def _end(self, _request: Request, owner: Owner, form: dict[str, str]) -> Response:
        """One that has ended already, or was never theirs, is not there afterwards either."""
        with writing(self._desk.site.engine) as connection:
            end_session(connection, owner.user.id, form.get("session", ""))
        return to(owner.href(done="session"))

    def _end_others(self, request: Request, owner: Owner, _form: dict[str, str]) -> Response:
        with writing(self._desk.site.engine) as connection:
            end_other_sessions(connection, owner.user.id, session_fingerprint(request))
        return to(owner.href(done="sessions"))
