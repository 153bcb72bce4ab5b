"""`/portal/settings/webhooks`: making, changing, testing and deleting webhooks, and what became of their deliveries.

A secret is in the answer to the post itself, as with keys: a redirect to it would have to keep it somewhere.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.notices.kinds import Kind, parse_kinds
from puyun.portal.member import Member, member_of
from puyun.portal.webhooks.log import Log, log_of
from puyun.storage.engine import reading, writing
from puyun.storage.sessions import count_attempt
from puyun.storage.webhooks.deliveries import find_delivery, queue_ping, replay
from puyun.storage.webhooks.webhooks import (
    MOST,
    PREFIX,
    Keeper,
    Made,
    Webhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_webhook,
    list_webhooks,
    pause_webhook,
    resume_webhook,
    rotate_secret,
)
from puyun.web import csrf, throttle
from puyun.web.forms import read_choices, read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = "/portal/settings/webhooks"
ONE = PATH + "/{webhook}"

_SAID = frozenset({"repeated", "changed", "paused", "resumed", "tested", "replayed", "deleted"})
_SHOWN = frozenset({"invalid_url", "url_not_public", "none_chosen", "too_many_webhooks", "too_many_waiting"})
"""Refusals that the page itself shows; others are a page of their own."""

_ONCE_BYTES = 16
_ONCE_MAX = 40

Act = Callable[[Connection, Member, Webhook], str]


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a webhook as it was typed, and why it was refused. `once` names it, so that it makes one at most."""

    url: str = ""
    kinds: tuple[str, ...] = ()
    once: str = ""
    fault: str = ""
    status: int = 200


class WebhookPages:
    def __init__(self, site: Site, keeper: Keeper) -> None:
        self._site = site
        self._keeper = keeper

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.list, methods=["GET"]),
            Route(PATH, self.create, methods=["POST"]),
            Route(ONE, self.one, methods=["GET"]),
            Route(ONE, self.change, methods=["POST"]),
            Route(f"{ONE}/pause", self.pause, methods=["POST"]),
            Route(f"{ONE}/resume", self.resume, methods=["POST"]),
            Route(f"{ONE}/test", self.test, methods=["POST"]),
            Route(f"{ONE}/rotate", self.rotate, methods=["POST"]),
            Route(f"{ONE}/delete", self.deletion, methods=["GET"]),
            Route(f"{ONE}/delete", self.delete, methods=["POST"]),
            Route(f"{ONE}/deliveries/{{delivery}}/replay", self.replay, methods=["POST"]),
        ]

    # --- the list --------------------------------------------------------------------------------------------------
    def list(self, request: Request) -> Response:
        filled = Filled(kinds=tuple(Kind), once=secrets.token_urlsafe(_ONCE_BYTES))
        return self._list(request, self._member(request), filled)

    async def create(self, request: Request) -> Response:
        return await run_in_threadpool(self._create, request, await read_choices(request))

    def _create(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        member, filled = self._sent(request, form)
        now = self._site.clock.now()
        try:
            with writing(self._site.engine) as connection:
                if _repeated(connection, member, filled.once, now):
                    return RedirectResponse(f"{PATH}{_query(member, said='repeated')}", 303)
                made = create_webhook(
                    connection,
                    member.organization.id,
                    filled.url,
                    _kinds(filled),
                    keeper=self._keeper,
                    by=member.user.email,
                    now=now,
                )
        except PuyunError as error:
            return self._list(request, member, _refused(filled, error))
        return self._secret(request, member, made, rotated=False)

    # --- one -------------------------------------------------------------------------------------------------------
    def one(self, request: Request) -> Response:
        member = self._member(request)
        with reading(self._site.engine) as connection:
            hook = self._find(connection, member, request)
        return self._one(request, member, hook, Filled(url=hook.url, kinds=hook.kinds))

    async def change(self, request: Request) -> Response:
        return await run_in_threadpool(self._change, request, await read_choices(request))

    def _change(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        member, filled = self._sent(request, form)
        with reading(self._site.engine) as connection:
            before = self._find(connection, member, request)
        try:
            with writing(self._site.engine) as connection:
                hook = self._find(connection, member, request)
                change_webhook(connection, hook, filled.url, _kinds(filled), keeper=self._keeper)
        except PuyunError as error:
            return self._one(request, member, before, _refused(filled, error))
        return self._back(request, member, "changed")

    async def pause(self, request: Request) -> Response:
        def act(connection: Connection, _member: Member, hook: Webhook) -> str:
            pause_webhook(connection, hook)
            return "paused"

        return await self._act(request, act)

    async def resume(self, request: Request) -> Response:
        def act(connection: Connection, _member: Member, hook: Webhook) -> str:
            resume_webhook(connection, hook)
            return "resumed"

        return await self._act(request, act)

    async def test(self, request: Request) -> Response:
        def act(connection: Connection, _member: Member, hook: Webhook) -> str:
            queue_ping(connection, hook, self._site.clock.now())
            return "tested"

        return await self._act(request, act)

    async def replay(self, request: Request) -> Response:
        def act(connection: Connection, member: Member, hook: Webhook) -> str:
            found = find_delivery(connection, member.organization.id, request.path_params["delivery"])
            if found.webhook != hook.id:
                raise PuyunError("delivery_not_found", 404, "The webhook has no such delivery.")
            replay(connection, found, self._site.clock.now())
            return "replayed"

        return await self._act(request, act)

    async def rotate(self, request: Request) -> Response:
        return await run_in_threadpool(self._rotate, request, await read_form(request))

    def _rotate(self, request: Request, form: Mapping[str, str]) -> Response:
        member = self._posted(request, form)
        with writing(self._site.engine) as connection:
            hook = self._find(connection, member, request)
            made = rotate_secret(connection, hook, keeper=self._keeper, now=self._site.clock.now())
        return self._secret(request, member, made, rotated=True)

    def deletion(self, request: Request) -> Response:
        """Asks first: its secret is gone then."""
        member = self._member(request)
        with reading(self._site.engine) as connection:
            hook = self._find(connection, member, request)
        return self._site.render(request, "webhook-delete.html", {"hook": hook} | self._shared(member))

    async def delete(self, request: Request) -> Response:
        return await run_in_threadpool(self._delete, request, await read_form(request))

    def _delete(self, request: Request, form: Mapping[str, str]) -> Response:
        member = self._posted(request, form)
        with writing(self._site.engine) as connection:
            delete_webhook(connection, self._find(connection, member, request), self._site.clock.now())
        return RedirectResponse(f"{PATH}{_query(member, said='deleted')}", 303)

    # --- what they share -------------------------------------------------------------------------------------------
    def _member(self, request: Request) -> Member:
        return member_of(self._site, request, Permission.MANAGE_KEYS)

    def _posted(self, request: Request, form: Mapping[str, str]) -> Member:
        member = self._member(request)
        csrf.check(request, form, session_secret(request))
        return member

    def _sent(self, request: Request, form: Mapping[str, Sequence[str]]) -> tuple[Member, Filled]:
        member = self._posted(request, {name: values[-1] for name, values in form.items()})
        url = form["url"][-1][:2_000].strip() if form.get("url") else ""
        return member, Filled(url=url, kinds=tuple(form.get("kind", ())), once=form.get("once", [""])[-1])

    def _find(self, connection: Connection, member: Member, request: Request) -> Webhook:
        return find_webhook(connection, member.organization.id, request.path_params["webhook"])

    async def _act(self, request: Request, act: Act) -> Response:
        return await run_in_threadpool(self._acted, request, await read_form(request), act)

    def _acted(self, request: Request, form: Mapping[str, str], act: Act) -> Response:
        """One transaction, and back to the webhook."""
        member = self._posted(request, form)
        try:
            with writing(self._site.engine) as connection:
                hook = self._find(connection, member, request)
                said = act(connection, member, hook)
        except PuyunError as error:
            if error.code not in _SHOWN:
                raise
            with reading(self._site.engine) as connection:
                hook = self._find(connection, member, request)
            filled = Filled(url=hook.url, kinds=hook.kinds, fault=error.code, status=error.status)
            return self._one(request, member, hook, filled)
        return self._back(request, member, said)

    def _back(self, request: Request, member: Member, said: str) -> Response:
        return RedirectResponse(f"{PATH}/{request.path_params['webhook']}{_query(member, said=said)}", 303)

    def _secret(self, request: Request, member: Member, made: Made, *, rotated: bool) -> Response:
        context: dict[str, object] = {"hook": made.webhook, "secret": made.secret, "rotated": rotated}
        response = self._site.render(request, "webhook-made.html", context | self._shared(member))
        response.headers["cache-control"] = "no-store"
        return response

    def _list(self, request: Request, member: Member, filled: Filled) -> Response:
        with reading(self._site.engine) as connection:
            hooks = list_webhooks(connection, member.organization.id)
        context: dict[str, object] = {"hooks": hooks, "filled": filled, "most": MOST, "said": _said(request)}
        return self._site.render(request, "webhooks.html", context | self._shared(member), status=filled.status)

    def _one(self, request: Request, member: Member, hook: Webhook, filled: Filled) -> Response:
        log: Log = log_of(self._site.engine, member, hook, request.query_params)
        context: dict[str, object] = {"hook": hook, "filled": filled, "log": log, "said": _said(request)}
        return self._site.render(request, "webhook.html", context | self._shared(member), status=filled.status)

    def _shared(self, member: Member) -> dict[str, object]:
        def address(hook: Webhook, act: str = "") -> str:
            place = f"{PATH}/{format_id(PREFIX, hook.id)}"
            return f"{place}{'/' if act else ''}{act}{member.query}"

        return {
            "member": member,
            "kinds": tuple(Kind),
            "list_address": PATH + member.query,
            "address": address,
            "private": self._keeper.private,
        }


def _repeated(connection: Connection, member: Member, once: str, now: Instant) -> bool:
    """Whether the form has made its webhook already. A refusal undoes the count. Raises PuyunError `bad_form` (400)."""
    if not 0 < len(once) <= _ONCE_MAX:
        raise PuyunError("bad_form", 400, "This is not a form as our page sends it.")
    sent, forgotten = f"form {member.user.id} {once}", throttle.FORGOTTEN_AFTER
    return count_attempt(connection, sent, now, forgotten_after=forgotten, lock=lambda _: Instant(now + DAY)) > now


def _kinds(filled: Filled) -> tuple[Kind, ...]:
    try:
        return parse_kinds(list(filled.kinds))
    except ValueError as error:
        raise PuyunError("bad_form", 400, "This is not a form as our page sends it.") from error


def _refused(filled: Filled, error: PuyunError) -> Filled:
    """Raises what no form shows."""
    if error.code not in _SHOWN:
        raise error
    return msgspec.structs.replace(filled, fault=error.code, status=422 if error.status == 400 else error.status)


def _query(member: Member, **named: str) -> str:
    parts = [f"{name}={value}" for name, value in named.items()]
    parts += [f"org={member.org_id}"] if member.others else []
    return "?" + "&".join(parts)


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in _SAID and request.method == "GET" else ""
