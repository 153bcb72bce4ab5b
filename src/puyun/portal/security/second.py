"""The second step in the settings: turning it on and off, and the recovery codes, shown once."""

import io

import segno
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.totp import provisioning, recovery_hash, shown_secret, step_of
from puyun.kit.errors import PuyunError
from puyun.portal.security.desk import PATH, Desk, Owner, Refused, to
from puyun.portal.security.tries import count_code, forgive_codes
from puyun.portal.tries import TooManyFailuresError
from puyun.storage.engine import reading, writing
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.second import (
    asked_for_code,
    begin_second_step,
    confirm_second_step,
    end_second_step,
    find_second_step,
    set_codes,
)
from puyun.system.entropy import recovery_codes, second_step_secret
from puyun.system.vault import Vault

_MODULE = 5
"""Pixels of a square of the picture."""


def purpose(user: int) -> str:
    """What a secret is sealed for: another user's does not open it."""
    return f"second step {user}"


class SecondStepPages:
    """`vault`: keeps the secrets."""

    def __init__(self, desk: Desk, vault: Vault) -> None:
        self._desk = desk
        self._engine = desk.site.engine
        self._vault = vault

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/code/begin", self.begin, methods=["POST"]),
            Route(f"{PATH}/code", self.show, methods=["GET"]),
            Route(f"{PATH}/code/picture.svg", self.picture, methods=["GET"]),
            Route(f"{PATH}/code", self.confirm, methods=["POST"]),
            Route(f"{PATH}/code/off", self.ask_off, methods=["GET"]),
            Route(f"{PATH}/code/off", self.off, methods=["POST"]),
            Route(f"{PATH}/code/recovery", self.ask_renewal, methods=["GET"]),
            Route(f"{PATH}/code/recovery", self.renewal, methods=["POST"]),
        ]

    # --- on --------------------------------------------------------------------------------------------------------
    async def begin(self, request: Request) -> Response:
        return await self._desk.posted(request, self._begin)

    def _begin(self, _request: Request, owner: Owner, _form: dict[str, str]) -> Response:
        sealed = self._vault.seal(purpose(owner.user.id), second_step_secret())
        with writing(self._engine) as connection:
            begun = begin_second_step(connection, owner.user.id, sealed, self._desk.site.clock.now())
        return to(owner.href("code") if begun else owner.href(done="code-on"))

    def show(self, request: Request) -> Response:
        owner = self._desk.owner(request)
        return self._enrolment(request, owner, None)

    def picture(self, request: Request) -> Response:
        """As an image of our own: a page may not have one inside it. Raises `nothing_to_confirm` (404)."""
        owner = self._desk.owner(request)
        begun = self._begun(owner)
        if begun is None:
            raise PuyunError("nothing_to_confirm", 404, "There is no secret to show. Turn the codes on first.")
        drawn = io.BytesIO()
        text = provisioning(begun[1], owner.user.email, self._desk.site.brand.name)
        segno.make(text, error="m", micro=False).save(drawn, kind="svg", scale=_MODULE, border=4, light="#fff")
        return Response(drawn.getvalue(), 200, {"cache-control": "no-store"}, "image/svg+xml")

    async def confirm(self, request: Request) -> Response:
        return await self._desk.posted(request, self._confirm)

    def _confirm(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        begun, now = self._begun(owner), self._desk.site.clock.now()
        if begun is None:
            return self._enrolment(request, owner, None)
        sealed, secret = begun
        try:
            count_code(self._engine, owner.user.id, now)
        except TooManyFailuresError as error:
            return self._enrolment(request, owner, Refused("wait", 429, error.until))
        step = step_of(secret, form.get("code", ""), now)
        if step is None:
            return self._enrolment(request, owner, Refused("wrong_code"))
        codes = recovery_codes()
        with writing(self._engine) as connection:
            if not confirm_second_step(connection, owner.user.id, sealed, step, now):
                return to(owner.href(done="code-on"))
            _keep(connection, owner, codes)
            forgive_codes(connection, owner.user.id)
            self._record(connection, Kind.SECOND_STEP_ON, owner)
        return self._desk.page(request, owner, "codes.html", {"codes": codes, "first": True})

    def _begun(self, owner: Owner) -> tuple[bytes, bytes] | None:
        """A secret that waits for its first code, sealed and open."""
        with reading(self._engine) as connection:
            found = find_second_step(connection, owner.user.id)
        if found is None or found.confirmed_at is not None:
            return None
        return found.sealed, self._vault.unseal(purpose(owner.user.id), found.sealed)

    def _enrolment(self, request: Request, owner: Owner, refused: Refused | None) -> Response:
        begun = self._begun(owner)
        if begun is None:
            with reading(self._engine) as connection:
                on = asked_for_code(connection, owner.user.id)
            return to(owner.href(done="code-on" if on else ""))
        return self._desk.page(request, owner, "enrol.html", {"secret": shown_secret(begun[1])}, refused)

    # --- off, and other recovery codes -----------------------------------------------------------------------------
    def ask_off(self, request: Request) -> Response:
        return self._ask(request, self._desk.owner(request), "off", None)

    async def off(self, request: Request) -> Response:
        return await self._desk.posted(request, self._off)

    def _off(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        refused = self._desk.refusal(request, owner, form.get("password", ""))
        if refused is not None:
            return self._ask(request, owner, "off", refused)
        with writing(self._engine) as connection:
            if asked_for_code(connection, owner.user.id):
                self._record(connection, Kind.SECOND_STEP_OFF, owner)
            end_second_step(connection, owner.user.id)
        return to(owner.href(done="code-off"))

    def ask_renewal(self, request: Request) -> Response:
        return self._ask(request, self._desk.owner(request), "recovery", None)

    async def renewal(self, request: Request) -> Response:
        return await self._desk.posted(request, self._renew)

    def _renew(self, request: Request, owner: Owner, form: dict[str, str]) -> Response:
        refused = self._desk.refusal(request, owner, form.get("password", ""))
        if refused is not None:
            return self._ask(request, owner, "recovery", refused)
        codes = recovery_codes()
        with writing(self._engine) as connection:
            if not asked_for_code(connection, owner.user.id):
                return to(owner.href())
            _keep(connection, owner, codes)
            self._record(connection, Kind.RECOVERY_CODES, owner)
        return self._desk.page(request, owner, "codes.html", {"codes": codes, "first": False})

    def _record(self, connection: Connection, kind: Kind, owner: Owner) -> None:
        record(connection, kind, at=self._desk.site.clock.now(), actor=owner.user.id, user=owner.user.id)

    def _ask(self, request: Request, owner: Owner, act: str, refused: Refused | None) -> Response:
        with reading(self._engine) as connection:
            if not asked_for_code(connection, owner.user.id):
                return to(owner.href())
        return self._desk.page(request, owner, "ask.html", {"act": act}, refused)


def _keep(connection: Connection, owner: Owner, codes: list[str]) -> None:
    set_codes(connection, owner.user.id, [kept for kept in map(recovery_hash, codes) if kept is not None])
