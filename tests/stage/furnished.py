"""A site as it looks after a month in use, and an organization on it that has nothing yet."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from shop import Shop
from sqlalchemy import insert, update
from till import record

from puyun.catalog.model import Tier
from puyun.config import Issuer, Mail, Signup
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec
from puyun.kit.clock import DAY, HOUR, MINUTE, Instant
from puyun.kit.ids import format_id, request_id
from puyun.kit.money import NANO
from puyun.ledger.autotopup import Rule as TopUpRule
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Act
from puyun.ledger.hold import Status
from puyun.limits.rule import Metric, Rule, Scope
from puyun.metering.usage import NO_USAGE, Usage
from puyun.notices.kinds import Kind
from puyun.pricing.papers.invoice import Series
from puyun.pricing.papers.parties import Buyer, Seller
from puyun.storage import schema
from puyun.storage.budgets.budgets import set_budget
from puyun.storage.engine import open_engine, sqlite_path, writing
from puyun.storage.identity import create_key, revoke_key
from puyun.storage.ledger.inbox import post_of
from puyun.storage.limits.rules import Change
from puyun.storage.limits.wishes import Wanted, add_wish, decline_wish, grant_wish
from puyun.storage.money.refunds import refund_call
from puyun.storage.notify.events import page_of_events
from puyun.storage.notify.watching import choose_threshold
from puyun.storage.papers.autotopup import save_rule
from puyun.storage.papers.details import save_details
from puyun.storage.papers.issuing import Basis, issue
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up
from puyun.storage.wallets import MoneyKind, top_up
from puyun.storage.webhooks.deliveries import Outcome, queue_event, record as record_try, take_due
from puyun.storage.webhooks.webhooks import Keeper, create_webhook
from puyun.system.entropy import key_entropy, webhook_entropy
from stage.pages import CHAT, DEMO, Site

OWNER, NEWCOMER = "ada@example.com", "new@example.com"
OPEN = Signup(open=True, credit="1.00")
POST = Mail(host="mail.example.com", sender="us@example.com", links="https://ai.example.com")
ISSUER = Issuer(name="acme", title="Acme ID", issuer="https://id.example.com", client_id="puyun", allow_signup=True)
SELLER = Seller(name="Puyun Intelligence Ltd", address="12 Harbour Road; 018936 Singapore", tax_id="GST 202612345K")

DAYS = 24
CALLS = (
    (Usage(input=1_234_000, cached_input=310_000, output=56_700), Status.COMPLETED),
    (Usage(input=18_400, output=2_100), Status.COMPLETED),
    (Usage(input=990, output=12), Status.CANCELLED),
    (NO_USAGE, Status.FAILED),
)
"""What is called, one after the other, day after day."""


@dataclass
class Furnished:
    """`names` are what the addresses of stage/pagelist.py speak of; OWNER and NEWCOMER may sign in."""

    site: Site
    shop: Shop
    names: dict[str, str] = field(default_factory=dict)

    def address(self, path: str) -> str:
        return path.format(**self.names)


@contextmanager
def furnished(folder: Path, migrated: Path | None = None) -> Iterator[Furnished]:
    """In `folder`, which is empty. `migrated`: an empty database to begin with, to save time."""
    path = sqlite_path(folder)
    if migrated is None:
        Site(folder).close()
    else:
        shutil.copy(migrated, path)
    engine = open_engine(path)
    shop = Shop(engine, path)
    site = Site(folder, clock=shop.clock, signup=OPEN, mail=POST, issuers=[ISSUER], seller=SELLER)
    try:
        place = Furnished(site, shop)
        _month(place)
        _people(place)
        _papers(place)
        yield place
    finally:
        site.close()
        shop.store.close()
        engine.dispose()


def _month(place: Furnished) -> None:
    """Calls, payments and a refund, by the real store; then the models get names that read like some."""
    shop = place.shop
    call = 0
    with writing(shop.engine) as connection:
        shop.key = shop.api_key(connection, shop.org, seed=2)
    for day in range(DAYS):
        if day % 7 == 0:
            with writing(shop.engine) as connection:
                top_up(connection, 7, 20 * NANO, kind=MoneyKind.PAID, ref=f"wire {day}", now=shop.clock.now())
        for number, (usage, status) in enumerate(CALLS[: 1 + day % len(CALLS)]):
            sold = shop.sell(usage, status, model="mn"[number % 2])
            call = sold if not number else call
            shop.clock.advance(7 * MINUTE)
        shop.later(24)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, NANO // 10, act=Act("r", "ops", "a slow answer"), now=shop.clock.now())
        for name, model in (("m", CHAT), ("n", DEMO)):
            named = update(schema.model).where(schema.model.c.name == name)
            connection.execute(named.values(name=model.name, vendor=model.vendor))
    shop.hold(NANO // 10)
    place.names |= {"request": request_id(7, call), "month": "2026-11"}


def _people(place: Furnished) -> None:
    site, shop, now = place.site, place.shop, place.shop.clock.now()
    owner = site.person(OWNER, shop.org)
    site.person(NEWCOMER, site.organization("Fresh"))
    with writing(site.engine) as connection:
        key = create_key(connection, shop.org, KeySpec(tier=Tier.FLEX, name="night shift"), mint(key_entropy()), now)
        old = create_key(connection, shop.org, KeySpec(tier=Tier.TEST, name="trial"), mint(key_entropy()), now)
        revoke_key(connection, old.id, now)
        set_budget(connection, 7, Subject.ORGANIZATION, period=Period.MONTH, amount=200 * NANO, now=now)
        set_budget(connection, 7, Subject.MEMBER, owner.id, period=Period.DAY, amount=NANO, hard=False, now=now)
        for model, metric in (("", Metric.RPM), (CHAT.name, Metric.ITPM), (CHAT.name, Metric.IN_FLIGHT)):
            wish = Wanted(tier=Tier.FLEX, model=model, metric=metric, amount=600_000, why="for the winter sale")
            asked = add_wish(connection, shop.org.id, owner.id, wish, now)
            if metric is Metric.RPM:
                grant_wish(connection, asked.id, Change(by="ops", why="until March"), now, amount=500_000)
            elif metric is Metric.ITPM:
                decline_wish(connection, asked.id, Change(by="ops", why="not before more machines are there"), now)
    place.names |= {"key": format_id("key", key.id), "member": str(owner.id)}
    ours = {"org": 7, "scope": Scope.ORGANIZATION, "why": "as agreed in March"}
    site.arbiter.rule(*(Rule(metric=metric, id=number, amount=900, **ours) for number, metric in enumerate(Metric, 1)))
    site.arbiter.call(7, 1, tokens=60)
    _tallies(site, now)
    _hooks(place, now)


def _hooks(place: Furnished, now: Instant) -> None:
    """A webhook whose deliveries were taken, refused, and wait."""
    site, keeper = place.site, Keeper(place.site.vault, webhook_entropy, private=False)
    with writing(site.engine) as connection:
        choose_threshold(connection, 7, 20 * NANO)
        url = "https://hooks.example.com/puyun/events"
        made = create_webhook(connection, 7, url, tuple(Kind), keeper=keeper, by=OWNER, now=now)
        for event in page_of_events(connection, 7, tuple(Kind), most=5).rows:
            queue_event(connection, event, now)
        taken = take_due(connection, site.vault, now, most=3, per_org=3, busy={})
        answers = (Outcome(took_ms=84, code=204), Outcome(took_ms=1210, code=500, answer="out of cheese"))
        for each, answer in zip(taken, (*answers, Outcome(took_ms=10_000, error="No answer in time.")), strict=False):
            record_try(connection, each, answer, dice=0, now=now)
    place.names["webhook"] = format_id("wh", made.webhook.id)


def _papers(place: Furnished) -> None:
    """Details, an invoice, and a rule."""
    now, asked = place.shop.clock.now(), Basis(Series.PAYMENT, 1)
    buyer = Buyer(name="Acme GmbH", address="Lange Straße 5\n10115 Berlin", tax_id="DE 123456789")
    rule = TopUpRule(below=10 * NANO, amount=50 * NANO, month_max=200 * NANO)
    by = format_id("user", int(place.names["member"]))
    with writing(place.site.engine) as connection:
        save_details(connection, 7, buyer, by=by, now=now)
        issue(connection, 7, asked, SELLER, by=by, now=now)
        save_rule(connection, 7, rule, by=by, now=now)


def _tallies(site: Site, now: Instant) -> None:
    """What the status page shows: three months, of them a day that was not good."""
    made = msgspec.structs.replace(record(7, 1, 5, tier=Tier.FLEX), queue_ms=40, ttft_ms=310)
    failed = msgspec.structs.replace(made, status=Status.FAILED, error="upstream_error")
    with writing(site.engine) as connection:
        for day in range(80):
            content = post_of([made] * 20 + [failed] * (3 if day == 11 else 0), {})
            at = now - day * DAY - HOUR // 2
            connection.execute(insert(tables.tally_inbox), [{"at": at, "content": content}])
    add_all_up(site.engine)
