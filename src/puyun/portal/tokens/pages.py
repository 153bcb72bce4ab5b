"""`/portal/settings/tokens`: making and revoking access tokens of the control API.

A secret is in the answer to the post itself, as with keys: a redirect to it would have to keep it somewhere.
"""

import secrets
from collections.abc import Mapping, Sequence

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission, may
from puyun.identity.tokens import NEEDED, AccessToken, Scope, TokenSpec
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.portal.keys.form import Fault
from puyun.portal.member import Member, check_verified, member_of
from puyun.portal.tokens import form as tokenform
from puyun.portal.tokens.form import LIFETIMES, Filled, Form
from puyun.storage.control.tokens import IssuedToken, find_token, issue_token, list_tokens, revoke_token
from puyun.storage.engine import reading, writing
from puyun.storage.sessions import count_attempt
from puyun.system.entropy import token_entropy
from puyun.web import csrf, throttle
from puyun.web.forms import read_choices, read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = "/portal/settings/tokens"

_ONCE_BYTES = 16
_ONCE_MAX = 40


class RepeatedError(PuyunError):
    """The form has made its token already."""

    def __init__(self) -> None:
        super().__init__("form_repeated", 409, "This form was sent before; its token is in the list.")


class TokensPage:
    """The list with the form of a new token, and the question before one is revoked."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.page, methods=["GET"]),
            Route(PATH, self.create, methods=["POST"]),
            Route(PATH + "/{token}/revoke", self.revocation, methods=["GET"]),
            Route(PATH + "/{token}/revoke", self.revoke, methods=["POST"]),
        ]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_KEYS)
        return self._list(request, member, Form(filled=Filled(), once=secrets.token_urlsafe(_ONCE_BYTES)))

    async def create(self, request: Request) -> Response:
        return await run_in_threadpool(self._create, request, await read_choices(request))

    def _create(self, request: Request, posted: Mapping[str, Sequence[str]]) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_KEYS)
        form = {name: values[-1] for name, values in posted.items()}
        csrf.check(request, form, session_secret(request))
        check_verified(member)
        now = self._site.clock.now()
        filled = tokenform.read(posted)
        parsed = tokenform.parse(filled, member.role, now)
        shown = Form(filled=filled, once=form.get("once", ""), status=422)
        if not isinstance(parsed, TokenSpec):
            return self._list(request, member, msgspec.structs.replace(shown, faults=parsed))
        try:
            issued = self._issue(member, parsed, shown.once, now)
        except RepeatedError:
            return _to_list(member, repeated="1")
        except PuyunError as error:
            if error.code not in {"too_many_tokens", "scope_not_permitted"}:
                raise
            faults = {error.param or "": Fault(error.code)}
            return self._list(request, member, msgspec.structs.replace(shown, faults=faults, status=error.status))
        context: dict[str, object] = {"member": member, "token": issued.token, "secret": issued.secret}
        response = self._site.render(request, "token-made.html", context | _common(member))
        response.headers["cache-control"] = "no-store"
        return response

    def _issue(self, member: Member, spec: TokenSpec, once: str, now: Instant) -> IssuedToken:
        """One transaction. Raises RepeatedError, `bad_form` (400) and what `issue_token` raises."""
        if not 0 < len(once) <= _ONCE_MAX:
            raise PuyunError("bad_form", 400, "This is not a form as our page sends it.")
        org, user = member.organization.id, member.user.id
        with writing(self._site.engine) as connection:
            sent = f"form {user} {once}"
            forgotten = throttle.FORGOTTEN_AFTER
            if count_attempt(connection, sent, now, forgotten_after=forgotten, lock=lambda _: Instant(now + DAY)) > now:
                raise RepeatedError
            return issue_token(connection, org, user, spec, entropy=token_entropy, now=now)

    def revocation(self, request: Request) -> Response:
        """Asks first: whatever still uses the token is refused from then on."""
        member, token = self._chosen(request)
        context: dict[str, object] = {"member": member, "token": token}
        return self._site.render(request, "token-revoke.html", context | _common(member))

    async def revoke(self, request: Request) -> Response:
        return await run_in_threadpool(self._revoke, request, await read_form(request))

    def _revoke(self, request: Request, form: dict[str, str]) -> Response:
        member, token = self._chosen(request)
        csrf.check(request, form, session_secret(request))
        with writing(self._site.engine) as connection:
            revoke_token(connection, member.organization.id, token.id, self._site.clock.now())
        return _to_list(member, revoked=format_id("tok", token.id))

    def _chosen(self, request: Request) -> tuple[Member, AccessToken]:
        """Raises what `member_of` raises, and `token_not_found` (404), also for another organization's."""
        member = member_of(self._site, request, Permission.MANAGE_KEYS)
        found = self._find(member, request.path_params["token"])
        if found is None:
            raise PuyunError("token_not_found", 404, f"{member.organization.name} has no such access token.")
        return member, found

    def _find(self, member: Member, text: str) -> AccessToken | None:
        try:
            number = parse_id("tok", text)
        except ValueError:
            return None
        if number >= 1 << 63:
            return None
        with reading(self._site.engine) as connection:
            return find_token(connection, member.organization.id, number)

    def _list(self, request: Request, member: Member, form: Form) -> Response:
        now = self._site.clock.now()
        with reading(self._site.engine) as connection:
            lines = list_tokens(connection, member.organization.id, now)
        revoked = self._find(member, request.query_params.get("revoked", ""))
        context: dict[str, object] = {
            "member": member,
            "form": form,
            "faults": form.faults,
            "lines": lines,
            "scopes": [scope for scope in Scope if may(member.role, NEEDED[scope])],
            "lifetimes": tuple(LIFETIMES),
            "revoked": revoked if revoked is not None and revoked.revoked_at is not None else None,
            "repeated": "repeated" in request.query_params,
        }
        return self._site.render(request, "tokens.html", context | _common(member), status=form.status)


def _common(member: Member) -> dict[str, object]:
    """`address` of the list, and of the question about one token."""

    def ask(token: AccessToken) -> str:
        return f"{PATH}/{format_id('tok', token.id)}/revoke{member.query}"

    return {"address": PATH + member.query, "ask": ask}


def _to_list(member: Member, **said: str) -> Response:
    joint = "&" if member.query else "?"
    [(name, value)] = said.items()
    return RedirectResponse(f"{PATH}{member.query}{joint}{name}={value}", 303)
