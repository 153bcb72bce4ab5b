"""Changing one's password: whoever had the old one is out, everywhere."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.portal.letters.entry import Letters
from puyun.portal.security.desk import PATH, Desk, Owner, Refused, to
from puyun.storage.engine import reading, writing
from puyun.storage.identity import password_hash, set_password_hash
from puyun.storage.security.acts import Kind, record
from puyun.system.passwords import MAXIMUM, MINIMUM, hash_password
from puyun.web.session import remember_session
from puyun.web.site import visitor_of


class PasswordPage:
    """The form and what it does. `letters`: the user is told, also where it was somebody else."""

    def __init__(self, desk: Desk, letters: Letters) -> None:
        self._desk = desk
        self._letters = letters

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/password", self.show, methods=["GET"]),
            Route(f"{PATH}/password", self.submit, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, self._desk.owner(request), None)

    async def submit(self, request: Request) -> Response:
        return await self._desk.posted(request, self._change)

    def _change(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        new = form.get("new", "")
        with reading(self._desk.site.engine) as connection:
            before = password_hash(connection, owner.user.id)
        refused = self._unfit(new, form.get("again", "")) or self._desk.refusal(request, owner, form.get("present", ""))
        if refused is not None:
            return self._page(request, owner, refused)
        stored = hash_password(new)
        with writing(self._desk.site.engine) as connection:
            # Of two changes at once the second was proven with a password that is the old one by now.
            changed = password_hash(connection, owner.user.id) == before
            if changed:
                now = self._desk.site.clock.now()
                set_password_hash(connection, owner.user.id, stored)
                record(connection, Kind.PASSWORD_CHANGED, at=now, actor=owner.user.id, user=owner.user.id)
                self._letters.password_changed(connection, owner.user, visitor_of(request).language, now)
        if not changed:
            return self._page(request, owner, Refused("wrong_password"))
        response = to(owner.href(done="password"))
        remember_session(request, response, self._desk.site.sessions.open(request, owner.user.id))
        return response

    def _unfit(self, new: str, again: str) -> Refused | None:
        if not MINIMUM <= len(new) <= MAXIMUM:
            return Refused("unfit_password")
        return None if new == again else Refused("not_the_same")

    def _page(self, request: Request, owner: Owner, refused: Refused | None) -> Response:
        return self._desk.page(request, owner, "password.html", {"minimum": MINIMUM, "maximum": MAXIMUM}, refused)
