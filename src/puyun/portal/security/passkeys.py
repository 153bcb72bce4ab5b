"""Passkeys in the settings: registering one, and removing it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.rules import clean_name
from puyun.kit.errors import PuyunError
from puyun.portal.security.ceremony import challenge_of, place_of, read_registration, registered, to_register
from puyun.portal.security.challenge import Challenges
from puyun.portal.security.desk import PATH, Desk, Owner, Refused, to
from puyun.storage.engine import reading, writing
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.passkeys import MOST, NewPasskey, add_passkey, list_passkeys, remove_passkey

_NUMBER_MAX = 18
"""Digits: more do not fit a column."""


class PasskeyPages:
    """`challenges`: those that a device signs to register."""

    def __init__(self, desk: Desk, challenges: Challenges) -> None:
        self._desk = desk
        self._engine = desk.site.engine
        self._challenges = challenges

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/passkeys/new", self.show, methods=["GET"]),
            Route(f"{PATH}/passkeys/new", self.register, methods=["POST"]),
            Route(f"{PATH}/passkeys/remove", self.remove, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, self._desk.owner(request), "", None)

    async def register(self, request: Request) -> Response:
        return await self._desk.posted(request, self._register)

    def _register(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        try:
            name = clean_name(form.get("name", ""))
        except PuyunError as error:
            return self._page(request, owner, form.get("name", ""), Refused(error.code))
        refused = self._desk.refusal(request, owner, form.get("password", ""))
        if refused is not None:
            return self._page(request, owner, name, refused)
        now = self._desk.site.clock.now()
        answer = read_registration(form.get("answer", ""))
        challenge = b"" if answer is None else challenge_of(answer)
        if answer is None or not self._challenges.ours(challenge, _purpose(owner), now):
            return self._page(request, owner, name, Refused("passkey_refused"))
        made = registered(answer, challenge, place_of(request))
        if made is None:
            return self._page(request, owner, name, Refused("passkey_refused"))
        new = NewPasskey(credential=made.credential, public_key=made.public_key, signs=made.signs, name=name)
        try:
            with writing(self._engine) as connection:
                used = self._challenges.use(connection, challenge, now)
                if used:
                    add_passkey(connection, owner.user.id, new, now)
                    user = owner.user.id
                    record(connection, Kind.PASSKEY_ADDED, at=now, actor=user, user=user, detail=name)
        except PuyunError as error:
            if error.code not in {"passkey_exists", "too_many_passkeys"}:
                raise
            return self._page(request, owner, name, Refused(error.code, error.status))
        return to(owner.href(done="passkey-new"))  # also for a form that is sent again

    async def remove(self, request: Request) -> Response:
        return await self._desk.posted(request, self._remove)

    def _remove(self, _request: Request, owner: Owner, form: dict[str, str]) -> Response:
        number = form.get("passkey", "")
        if number.isascii() and number.isdecimal() and len(number) <= _NUMBER_MAX:
            user, now = owner.user.id, self._desk.site.clock.now()
            with writing(self._engine) as connection:
                if remove_passkey(connection, user, int(number)):
                    record(connection, Kind.PASSKEY_REMOVED, at=now, actor=user, user=user)
        return to(owner.href(done="passkey-gone"))

    def _page(self, request: Request, owner: Owner, name: str, refused: Refused | None) -> Response:
        with reading(self._engine) as connection:
            known = list_passkeys(connection, owner.user.id)
        challenge = self._challenges.new(_purpose(owner), self._desk.site.clock.now())
        options = to_register(place_of(request), self._desk.site.brand.name, owner.user, known[:MOST], challenge)
        return self._desk.page(request, owner, "passkey.html", {"options": options, "name": name}, refused)


def _purpose(owner: Owner) -> str:
    return f"register {owner.user.id}"
