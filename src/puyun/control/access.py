"""Who asks, by which token, and whether they may: looked up anew for each call, so that what was taken away is gone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection, Engine

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.rows import Catalogue
from puyun.config import Brand
from puyun.identity.access import may
from puyun.identity.model import Organization
from puyun.identity.tokens import NEEDED, PREFIX, Scope, fingerprint, well_formed
from puyun.kit.clock import Clock, Instant
from puyun.kit.errors import PuyunError
from puyun.pricing.offers import OfferList
from puyun.pricing.papers.parties import Seller
from puyun.storage.control.tokens import Bearer, find_bearer, touch_token
from puyun.storage.engine import reading, writing
from puyun.storage.reports.signatures import Signer
from puyun.storage.webhooks.webhooks import Keeper

_bearer = HTTPBearer(auto_error=False, description=f"An access token, `{PREFIX}…`, made in the portal under Settings.")


@dataclass(frozen=True, kw_only=True)
class ControlDeps:
    """What the endpoints need; `offers` are those of the public price list, `catalogue` what the data plane sells now;
    `keeper` is for the secrets of webhooks."""

    engine: Engine
    clock: Clock
    currency: str
    offers: Callable[[], OfferList]
    catalogue: Callable[[], Catalogue]
    arbiter: Arbiter
    signer: Signer
    brand: Brand = field(default_factory=Brand)
    seller: Seller = field(default_factory=Seller)
    keeper: Keeper


@dataclass(frozen=True)
class Caller:
    """A program with a token that opens what it asks for. `scope` None: any token does. It has no readable form."""

    deps: ControlDeps
    scope: Scope | None
    secret: str
    bearer: Bearer
    now: Instant

    def __repr__(self) -> str:
        return f"Caller({self.bearer.token.prefix}…)"

    @property
    def organization(self) -> Organization:
        return self.bearer.organization

    @property
    def org(self) -> int:
        return self.bearer.organization.id

    def again(self, connection: Connection) -> Bearer:
        """The same look in a transaction that is to change something. Raises what a call without permission gets."""
        return authorize(connection, self.secret, self.scope, self.now)


def deps_of(request: Request) -> ControlDeps:
    return cast("ControlDeps", request.app.state.control)


class Needs:
    """A dependency: the caller, whose token has a scope that its user's role still allows."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    def __call__(
        self, request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        """Raises PuyunError `invalid_token` (401), `scope_missing` or `not_permitted` (403)."""
        deps = deps_of(request)
        now = deps.clock.now()
        secret = "" if given is None else given.credentials
        with reading(deps.engine) as connection:
            bearer = authorize(connection, secret, self.scope, now)
        if bearer.stale(now):
            with writing(deps.engine) as connection:
                touch_token(connection, bearer.token.id, now)
        return Caller(deps, self.scope, secret, bearer, now)


def authorize(connection: Connection, secret: str, scope: Scope | None, now: Instant) -> Bearer:
    """Whom a secret speaks for, if it opens the scope. Raises what `Needs` raises."""
    bearer = find_bearer(connection, fingerprint(secret), now) if well_formed(secret) else None
    if bearer is None:
        text = (
            f"Send `Authorization: Bearer {PREFIX}…` with a token that is in use; the portal makes them under Settings."
        )
        raise PuyunError("invalid_token", 401, text, headers={"www-authenticate": "Bearer"})
    if scope is None:
        return bearer
    if scope not in bearer.token.scopes:
        text = f"This token is not for {scope}. Make one with that scope in the portal, under Settings."
        raise PuyunError("scope_missing", 403, text)
    if not may(bearer.role, NEEDED[scope]):
        name = bearer.organization.name
        raise PuyunError("not_permitted", 403, f"As {bearer.role} of {name} the token's user may not do this any more.")
    return bearer


AnyToken = Annotated[Caller, Depends(Needs(None))]
KeysReader = Annotated[Caller, Depends(Needs(Scope.KEYS_READ))]
KeysWriter = Annotated[Caller, Depends(Needs(Scope.KEYS_WRITE))]
UsageReader = Annotated[Caller, Depends(Needs(Scope.USAGE_READ))]
BillingReader = Annotated[Caller, Depends(Needs(Scope.BILLING_READ))]
BillingWriter = Annotated[Caller, Depends(Needs(Scope.BILLING_WRITE))]
BudgetsWriter = Annotated[Caller, Depends(Needs(Scope.BUDGETS_WRITE))]
LimitsReader = Annotated[Caller, Depends(Needs(Scope.LIMITS_READ))]
WebhooksReader = Annotated[Caller, Depends(Needs(Scope.WEBHOOKS_READ))]
WebhooksWriter = Annotated[Caller, Depends(Needs(Scope.WEBHOOKS_WRITE))]
EventsReader = Annotated[Caller, Depends(Needs(Scope.EVENTS_READ))]
