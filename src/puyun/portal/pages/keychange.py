"""Creating, rotating and revoking a key: forms, and the one page that ever shows a secret.

A secret is in the answer to the post itself. A redirect to it would have to keep it somewhere, so these posts have none;
a form that is sent again makes no second key but leads to the list.
"""

import functools
import secrets
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.rows import Asker, Catalogue, offered
from puyun.catalog.model import Kind
from puyun.identity.access import Permission
from puyun.identity.model import ApiKey
from puyun.kit.clock import DAY, SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.portal.keys import form as keyform
from puyun.portal.keys.form import Fault, Faults, Filled
from puyun.portal.keys.listing import PATH, Query, address, may_change, number_of
from puyun.portal.letters.entry import VERIFY
from puyun.portal.member import Member, check_verified, member_of
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import read_keys, revoke_key
from puyun.storage.keys.issuing import OVERLAPS, Issued, Rotation, issue_key, rotate_key
from puyun.storage.sessions import count_attempt
from puyun.system.entropy import key_entropy
from puyun.web import csrf, throttle
from puyun.web.forms import read_choices, read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

_ONCE_BYTES = 16
_ONCE_MAX = 40
_SENT_AGAIN = DAY
"""How long it is known that a form was sent."""


class RepeatedError(PuyunError):
    """The form has made its key already."""

    def __init__(self) -> None:
        super().__init__("form_repeated", 409, "This form was sent before; its key is in the list.")


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form to show. `once` names it, so that it makes one key at most; `status`, `headers`: of the answer."""

    filled: Filled
    once: str
    faults: Faults = {}
    overlap: str = keyform.USUAL_OVERLAP
    status: int = 200
    headers: Mapping[str, str] = {}


class KeyChanges:
    """`catalogue`: what is sold, to choose from and to name in an example."""

    def __init__(self, site: Site, catalogue: Callable[[], Catalogue]) -> None:
        self._site = site
        self._catalogue = catalogue

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/new", self.new, methods=["GET"]),
            Route(f"{PATH}/new", self.create, methods=["POST"]),
            Route(PATH + "/{key}/rotate", self.rotation, methods=["GET"]),
            Route(PATH + "/{key}/rotate", self.rotate, methods=["POST"]),
            Route(PATH + "/{key}/revoke", self.revocation, methods=["GET"]),
            Route(PATH + "/{key}/revoke", self.revoke, methods=["POST"]),
        ]

    # --- create ----------------------------------------------------------------------------------------------------
    def new(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_OWN_KEYS)
        if member.unverified:
            return RedirectResponse(VERIFY, 303)
        return self._create_form(request, member, Form(filled=keyform.usual(member.organization), once=_once()))

    async def create(self, request: Request) -> Response:
        return await run_in_threadpool(self._create, request, await read_choices(request))

    def _create(self, request: Request, posted: Mapping[str, Sequence[str]]) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_OWN_KEYS)
        check_verified(member)
        form = {name: values[-1] for name, values in posted.items()}
        csrf.check(request, form, session_secret(request))
        now = self._site.clock.now()
        filled = keyform.read(posted)
        owner = None if member.may(Permission.MANAGE_KEYS) else member.user.id
        models = self._catalogue().sold
        spec, faults = keyform.parse(filled, member.organization, models, now, member=owner)
        shown = Form(filled=filled, once=form.get("once", ""), faults=faults, status=422)
        if faults:
            return self._create_form(request, member, shown)

        def act(connection: Connection) -> Issued:
            return issue_key(connection, member.organization, spec, key_entropy(), now)

        try:
            issued = self._once(member, shown.once, act, now)
        except RepeatedError:
            return _to_list(member, repeated="1")
        except PuyunError as error:
            return self._create_form(request, member, _refused(shown, error))
        return self._made(request, member, issued, None)

    def _create_form(self, request: Request, member: Member, form: Form) -> Response:
        names = self._names(member)
        listed = names[: keyform.MODELS_MAX]
        context: dict[str, object] = {
            "models": [*listed, *(name for name in form.filled.models[: keyform.MODELS_MAX] if name not in listed)],
            "cut": len(names) > len(listed),
            "tiers": member.organization.tiers,
        }
        return self._form(request, "key-new.html", member, form, context)

    # --- rotate ----------------------------------------------------------------------------------------------------
    def rotation(self, request: Request) -> Response:
        member, key = self._chosen(request)
        filled = Filled(expires=keyform.last_day(key.expires_at))
        return self._rotate_form(request, member, key, Form(filled=filled, once=_once()))

    async def rotate(self, request: Request) -> Response:
        return await run_in_threadpool(self._rotate, request, await read_form(request))

    def _rotate(self, request: Request, form: dict[str, str]) -> Response:
        member, key = self._chosen(request)
        csrf.check(request, form, session_secret(request))
        now = self._site.clock.now()
        filled = Filled(expires=form.get("expires", ""))
        overlap = form.get("overlap", "")
        faults: Faults = {}
        expires_at = keyform.expiry(filled.expires, faults)
        if expires_at is not None and expires_at <= now:
            faults["expires"] = Fault("invalid_expiry")
        if overlap not in OVERLAPS:
            faults["overlap"] = Fault("none_chosen")
        shown = Form(filled=filled, once=form.get("once", ""), faults=faults, overlap=overlap, status=422)
        if faults:
            return self._rotate_form(request, member, key, shown)
        rotation = Rotation(overlap=OVERLAPS[overlap], expires_at=expires_at)

        def act(connection: Connection) -> Issued:
            [old] = read_keys(connection, schema.api_key.c.id == key.id)  # as it is now, under the lock
            return rotate_key(connection, member.organization, old, rotation, entropy=key_entropy(), now=now)

        try:
            issued = self._once(member, shown.once, act, now)
        except RepeatedError:
            return _to_list(member, repeated="1")
        except PuyunError as error:
            return self._rotate_form(request, member, key, _refused(shown, error))
        with reading(self._site.engine) as connection:
            [old] = read_keys(connection, schema.api_key.c.id == key.id)
        return self._made(request, member, issued, old)

    def _rotate_form(self, request: Request, member: Member, key: ApiKey, form: Form) -> Response:
        usable = key.usable(self._site.clock.now())
        context: dict[str, object] = {"key": key, "overlaps": tuple(OVERLAPS), "usable": usable}
        return self._form(request, "key-rotate.html", member, form, context)

    # --- revoke ----------------------------------------------------------------------------------------------------
    def revocation(self, request: Request) -> Response:
        """Asks first: whoever still calls with the key is refused from then on."""
        member, key = self._chosen(request)
        context: dict[str, object] = {"key": key}
        return self._form(request, "key-revoke.html", member, Form(filled=Filled(), once=""), context)

    async def revoke(self, request: Request) -> Response:
        return await run_in_threadpool(self._revoke, request, await read_form(request))

    def _revoke(self, request: Request, form: dict[str, str]) -> Response:
        member, key = self._chosen(request)
        csrf.check(request, form, session_secret(request))
        with writing(self._site.engine) as connection:
            revoke_key(connection, key.id, self._site.clock.now())
        return _to_list(member, key=format_id("key", key.id))

    # --- what they share -------------------------------------------------------------------------------------------
    def _chosen(self, request: Request) -> tuple[Member, ApiKey]:
        """Raises what `member_of` raises, `key_not_found` (404, also for somebody else's) or `not_permitted` (403)."""
        member = member_of(self._site, request, Permission.MANAGE_OWN_KEYS)
        number = number_of(request.path_params["key"])
        own = (schema.api_key.c.org == member.organization.id) & (schema.api_key.c.id == number)
        with reading(self._site.engine) as connection:
            found = [] if number is None else read_keys(connection, own)
        if not found:
            raise PuyunError("key_not_found", 404, f"{member.organization.name} has no such key.")
        if not may_change(member, found[0]):
            message = f"As {member.role} of {member.organization.name} you may change only keys of your own."
            raise PuyunError("not_permitted", 403, message)
        return member, found[0]

    def _once(self, member: Member, once: str, act: Callable[[Connection], Issued], now: Instant) -> Issued:
        """One transaction. Raises RepeatedError, `too_many_keys` (429), `bad_form` (400) and what `act` raises."""
        if not 0 < len(once) <= _ONCE_MAX:
            raise PuyunError("bad_form", 400, "This is not a form as our page sends it.")

        def sent(_times: int) -> Instant:
            return Instant(now + _SENT_AGAIN)

        def made(times: int) -> Instant:
            return throttle.locked_until(times, throttle.FREE_KEYS, now)

        user, forgotten = member.user.id, throttle.FORGOTTEN_AFTER
        with writing(self._site.engine) as connection:
            form = f"form {user} {once}"
            if count_attempt(connection, form, now, forgotten_after=forgotten, lock=sent) > now:
                raise RepeatedError
            until = count_attempt(connection, f"keys {user}", now, forgotten_after=forgotten, lock=made)
            if until > now:
                wait = str(-(-(until - now) // SECOND))
                message = f"Too many keys at once. Try again in {wait} seconds."
                details = {"value": wait}
                raise PuyunError("too_many_keys", 429, message, details=details, headers={"retry-after": wait})
            return act(connection)

    def _form(
        self, request: Request, template: str, member: Member, form: Form, context: dict[str, object]
    ) -> Response:
        back = Query(org=member.org).href()
        common: dict[str, object] = {
            "member": member,
            "form": form,
            "faults": form.faults,
            "back": back,
            "address": functools.partial(address, member),
        }
        response = self._site.render(request, template, common | context, status=form.status)
        response.headers.update(form.headers)
        return response

    def _made(self, request: Request, member: Member, issued: Issued, old: ApiKey | None) -> Response:
        context: dict[str, object] = {
            "member": member,
            "key": issued.key,
            "secret": issued.secret,
            "old": old,
            "model": self._example(issued.key),
            "back": Query(org=member.org).href(),
            "another": address(member, None, "new"),
        }
        response = self._site.render(request, "key-made.html", context)
        response.headers["cache-control"] = "no-store"
        return response

    def _names(self, member: Member) -> list[str]:
        """The models that the organization can call at any of its tiers, by name."""
        catalogue, now = self._catalogue(), self._site.clock.now()
        askers = [Asker(member.organization.id, tier) for tier in member.organization.tiers]
        return sorted({sold.model.name for asker in askers for sold in offered(catalogue, asker, now)})

    def _example(self, key: ApiKey) -> str:
        """A chat model that the key can call; empty where there is none."""
        asker = Asker(key.org, key.tier, key.id, frozenset(key.models))
        sold = offered(self._catalogue(), asker, self._site.clock.now())
        return next((each.model.name for each in sold if each.model.kind is Kind.CHAT), "")


def _once() -> str:
    return secrets.token_urlsafe(_ONCE_BYTES)


def _refused(form: Form, error: PuyunError) -> Form:
    """The form again, with what the act said; nothing that was typed is lost."""
    fault = Fault(error.code, error.details.get("value", ""))
    faults = {error.param or "": fault}
    return msgspec.structs.replace(form, faults=faults, status=error.status, headers=error.headers)


def _to_list(member: Member, **said: str) -> Response:
    return RedirectResponse(Query(org=member.org).href(**said), 303)
