"""The operator's first page: balances, what is sold where, and models that cannot be sold because a price is missing."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import TIERS, Model, Tier
from puyun.catalog.snapshot import Candidate
from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.pricing.offers import list_offers
from puyun.storage.engine import reading
from puyun.storage.identity import list_organizations
from puyun.storage.snapshots import Snapshot
from puyun.storage.wallets import list_wallets
from puyun.web.site import Site


class Unpriced(msgspec.Struct, frozen=True):
    """A model and the tiers at which nobody can call it, for want of a price."""

    model: Model
    tiers: tuple[Tier, ...]


class Overview:
    def __init__(self, site: Site, snapshot: Callable[[], Snapshot]) -> None:
        self._site = site
        self._snapshot = snapshot

    def routes(self) -> list[BaseRoute]:
        return [Route("/admin", self.page), Route("/admin/", self.page)]

    def page(self, request: Request) -> Response:
        user = operator(self._site, request)
        snapshot, now = self._snapshot(), self._site.clock.now()
        with reading(self._site.engine) as connection:
            organizations = list_organizations(connection)
            wallets = list_wallets(connection)
        context: dict[str, object] = {
            "user": user,
            "organizations": organizations,
            "wallets": wallets,
            "balance": sum(wallet.balance for wallet in wallets.values()),
            "held": sum(wallet.held for wallet in wallets.values()),
            "deployments": deployments(snapshot),
            "unpriced": unpriced(snapshot, now),
            "models": len(snapshot.models),
        }
        return self._site.render(request, "overview.html", context)


def operator(site: Site, request: Request) -> User:
    """Who asks. Raises SignInNeededError, or PuyunError `operators_only` (403)."""
    user = site.sessions.user(request)
    if not user.operator:
        raise PuyunError("operators_only", 403, "This page is for the operators of this service.")
    return user


def deployments(snapshot: Snapshot) -> list[tuple[Candidate, list[str]]]:
    """Every deployment in use by name, with the models that are sold from it."""
    found: dict[int, tuple[Candidate, list[str]]] = {}
    for name, sold in snapshot.sold.items():
        for candidate in sold.candidates:
            found.setdefault(candidate.id, (candidate, []))[1].append(name)
    return sorted(found.values(), key=lambda pair: pair[0].deployment.name)


def unpriced(snapshot: Snapshot, now: Instant) -> list[Unpriced]:
    """What the price list does not offer is refused."""
    offers = list_offers(snapshot.models, snapshot.book, revision=snapshot.revision, now=now).offers
    sold = {(offer.model.name, offer.tier) for offer in offers if offer.prices}
    found = [
        Unpriced(model, tuple(tier for tier in TIERS if (model.name, tier) not in sold)) for model in snapshot.models
    ]
    return [entry for entry in found if entry.tiers]
