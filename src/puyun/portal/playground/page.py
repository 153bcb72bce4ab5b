"""The Playground page, and the key that it calls with.

The browser speaks to the API itself, so what is seen here is what a program would get: the same limits, the same queue,
the same bill. Its key is of the member who asks, ends after an hour, and is kept in the page's memory alone.
"""

from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.rows import Asker, Catalogue, offered
from puyun.catalog.model import PREFERRED, Kind, Model, Tier
from puyun.identity.access import Permission
from puyun.identity.model import KeySpec
from puyun.kit.clock import HOUR, SECOND, Instant, format_instant
from puyun.kit.errors import PuyunError
from puyun.portal.member import Member, check_verified, member_of
from puyun.portal.pricelist import TEXT_MAX
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import read_keys, revoke_key
from puyun.storage.keys.issuing import Issued, issue_key
from puyun.storage.sessions import count_attempt
from puyun.storage.wallets import load_wallet
from puyun.system.entropy import key_entropy
from puyun.web import csrf, throttle
from puyun.web.forms import read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = "/portal/playground"

KEY_NAME = "Playground"
KEY_LIFETIME = HOUR

KEYS_MAX = 10
"""Keys of this page that one member may have in use, one for each window; a further one takes the oldest one's place."""


class Query(msgspec.Struct, frozen=True):
    """What stands in the page's address: what is chosen when it opens."""

    model: str
    tier: Tier


class Playground:
    """`catalogue`: what is sold."""

    def __init__(self, site: Site, catalogue: Callable[[], Catalogue]) -> None:
        self._site = site
        self._catalogue = catalogue

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page, methods=["GET"]), Route(f"{PATH}/key", self.key, methods=["POST"])]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        models = self._models(member)
        with reading(self._site.engine) as connection:
            wallet = load_wallet(connection, member.organization.id)
        context: dict[str, object] = {
            "member": member,
            "models": models,
            "query": parse_query(request.query_params, models, member.organization.tiers),
            "may_call": member.may(Permission.MANAGE_OWN_KEYS),
            "poor": wallet.available <= 0,
            "key_address": f"{PATH}/key{member.query}",
        }
        return self._site.render(request, "playground.html", context)

    async def key(self, request: Request) -> Response:
        """`{"key", "expires"}`. Raises what `member_of` raises, `forged_form` (403) and `too_many_keys` (429)."""
        return await run_in_threadpool(self._key, request, await read_form(request))

    def _key(self, request: Request, form: dict[str, str]) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_OWN_KEYS)
        csrf.check(request, form, session_secret(request))
        check_verified(member)
        now = self._site.clock.now()
        with writing(self._site.engine) as connection:
            issued = _issue(connection, member, now)
        ends = {"key": issued.secret, "expires": format_instant(Instant(now + KEY_LIFETIME))}
        return JSONResponse(ends, headers={"cache-control": "no-store"})

    def _models(self, member: Member) -> list[Model]:
        """The chat models that the organization can call at any of its tiers, by name."""
        catalogue, now = self._catalogue(), self._site.clock.now()
        askers = [Asker(member.organization.id, tier) for tier in member.organization.tiers]
        found = {sold.model.name: sold.model for asker in askers for sold in offered(catalogue, asker, now)}
        return sorted((model for model in found.values() if model.kind is Kind.CHAT), key=lambda model: model.name)


def parse_query(parameters: Mapping[str, str], models: list[Model], tiers: tuple[Tier, ...]) -> Query:
    """What cannot be called is not chosen: the first model, and the tier of daily use, stand in its place."""
    names = [model.name for model in models]
    model = parameters.get("model", "")[:TEXT_MAX]
    tier = parameters.get("tier", "")
    return Query(
        model if model in names else next(iter(names), ""),
        Tier(tier) if tier in tiers else next(each for each in PREFERRED if each in tiers),
    )


def _issue(connection: Connection, member: Member, now: Instant) -> Issued:
    """One transaction with the count of tries, as where keys are made by hand."""

    def lock(times: int) -> Instant:
        return throttle.locked_until(times, throttle.FREE_KEYS, now)

    user = member.user.id
    until = count_attempt(connection, f"keys {user}", now, forgotten_after=throttle.FORGOTTEN_AFTER, lock=lock)
    if until > now:
        wait = str(-(-(until - now) // SECOND))
        raise PuyunError(
            "too_many_keys", 429, f"Too many keys at once. Try again in {wait} seconds.", headers={"retry-after": wait}
        )
    key = schema.api_key.c
    mine = (key.org == member.organization.id) & (key.member == user) & (key.name == KEY_NAME)
    usable = [each for each in read_keys(connection, mine & (key.expires_at > now)) if each.usable(now)]
    for old in usable[: max(len(usable) - KEYS_MAX + 1, 0)]:
        revoke_key(connection, old.id, now)
    tier = next(each for each in PREFERRED if each in member.organization.tiers)
    spec = KeySpec(tier=tier, name=KEY_NAME, member=user, expires_at=Instant(now + KEY_LIFETIME))
    return issue_key(connection, member.organization, spec, key_entropy(), now)
