"""The Billing page: balance, budgets, what moved the balance, statements, and a stream that keeps it true."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.clock import DAY, Instant, format_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import CALL_MAX, format_id, parse_request_id
from puyun.kit.money import format_amount
from puyun.ledger.budget import Subject
from puyun.ledger.chart import Entry
from puyun.portal.member import Member, member_of
from puyun.portal.money.figures import LIVE_DAYS, Seen, budget_line, day_line, figures, shape
from puyun.portal.money.statements import months_since
from puyun.pricing.papers.parties import Seller
from puyun.storage.budgets.budgets import BudgetRow, list_budgets
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys, list_members
from puyun.storage.papers.autotopup import load_rule
from puyun.storage.papers.issuing import Basis, bases_of, issued_of
from puyun.storage.reports.burn import load_burn
from puyun.storage.reports.promised import load_promised
from puyun.storage.reports.statements import list_closed
from puyun.storage.reports.transactions import FIRST, Cursor, Moved, charged_days, moved_page, newest_act
from puyun.storage.wallets import load_wallet
from puyun.web.events.stream import CHECK_EVERY, Streams, event
from puyun.web.formats import Formats, decimals
from puyun.web.site import Site, visitor_of

PATH = "/portal/billing"
STREAM = f"{PATH}/stream"

STREAMS_MAX = 100
"""Open streams of one process, each of which reads the database; whoever comes later asks again."""

EVERY_SECONDS = 2.0

BUDGETS_MAX = 50
"""Budgets shown, the organization's own first."""

_INVOICED = frozenset({Entry.TOPUP, Entry.INVOICE})


class BillingPage:
    """`stopping` turns true when the server wants to go; streams then end by themselves."""

    def __init__(self, site: Site, stopping: Callable[[], bool], seller: Seller) -> None:
        self._site = site
        self._seller = seller
        self._stopping = stopping
        self._streams = Streams(STREAMS_MAX, "the balance", retry_after=15)

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page), Route(STREAM, self.stream)]

    def page(self, request: Request) -> Response:
        """Raises what `member_of` raises."""
        member = self._member(request)
        org, brand = member.organization, self._site.brand
        after = parse_cursor(request.query_params.get("after", ""))
        with reading(self._site.engine) as connection:
            seen = self._read(connection, org.id)
            moved = moved_page(connection, org.id, after)
            closed = list_closed(connection, org.id)
            names = _names(connection, org.id, seen.budgets)
            burn = load_burn(connection, org.id, seen.at)
            papers = self._papers(connection, org.id, moved.rows)
            rule = load_rule(connection, org.id)
        context: dict[str, object] = {
            "member": member,
            "seen": seen,
            "wallet": seen.wallet,
            "promised": seen.promised,
            "budgets": seen.budgets[:BUDGETS_MAX],
            "more_budgets": len(seen.budgets) > BUDGETS_MAX,
            "budget_names": names,
            "moved": moved,
            "first": after == FIRST,
            "places": max((decimals(format_amount(row.amount)) for row in moved.rows), default=2),
            "months": months_since(org.created_at, seen.at),
            "closed": closed,
            "burn": burn,
            "papers": papers,
            "issues": self._seller.issues,
            "rule": rule,
            "figures": figures(seen, self._formats(request)),
            "budget_line": budget_line,
            "day_line": day_line,
            "call_of": call_of,
            "shape": shape(seen),
            "address": functools.partial(_address, member),
            "stream": member.href(STREAM),
            "cursor": spell_cursor,
            "redeemed": request.query_params.get("said") == "redeemed",
            "top_up": brand.top_up,
            "top_up_url": brand.top_up_url,
        }
        return self._site.render(request, "billing.html", context)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `billing` with the figures that changed, `away` while the database cannot be read, and `gone`
        before the end where the reader may not read on. Raises what the page raises, and `too_many_streams`.
        """
        member = await run_in_threadpool(self._member, request)
        return self._streams.stream(self._events(request, member))

    async def _events(self, request: Request, member: Member) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        told: dict[str, dict[str, str | int]] = {}
        formats, checked = self._formats(request), self._site.clock.now()
        while not self._stopping():
            now = self._site.clock.now()
            try:
                if not 0 <= now - checked < CHECK_EVERY:
                    member, checked = await run_in_threadpool(self._member, request), now
                seen = await run_in_threadpool(self._look, member.organization.id)
            except OperationalError:
                yield event("away", {})
            except PuyunError:
                yield event("gone", {})
                return
            else:
                known, told = told, figures(seen, formats)
                changed = {name: each for name, each in told.items() if known.get(name) != each}
                yield event("billing", {"now": format_instant(now), "shape": shape(seen), "figures": changed})
            await asyncio.sleep(EVERY_SECONDS)

    def _papers(self, connection: Connection, org: int, rows: list[Moved]) -> dict[int, tuple[Basis, str]]:
        """By transaction: what an invoice can be asked for, and the number of the one that there is, empty for none."""
        bases = bases_of(connection, org, [row.place.number for row in rows if row.entry in _INVOICED])
        issued = issued_of(connection, org, list(bases.values()))
        found = {number: (basis, issued.get(basis.subject, "")) for number, basis in bases.items()}
        return {number: each for number, each in found.items() if each[1] or self._seller.issues}

    def _member(self, request: Request) -> Member:
        return member_of(self._site, request, Permission.SEE_BILLING)

    def _look(self, org: int) -> Seen:
        with reading(self._site.engine) as connection:
            return self._read(connection, org)

    def _read(self, connection: Connection, org: int) -> Seen:
        now = self._site.clock.now()
        return Seen(
            now,
            load_wallet(connection, org),
            load_promised(connection, org),
            list_budgets(connection, org, now, most=BUDGETS_MAX + 1),
            charged_days(connection, org, Instant(now - (LIVE_DAYS - 1) * DAY)),
            newest_act(connection, org),
        )

    def _formats(self, request: Request) -> Formats:
        return Formats(visitor_of(request).language, self._site.brand.currency)


def parse_cursor(text: str) -> Cursor:
    """From an address; what is no place is the first."""
    at, _, number = text[:60].partition("-")
    try:
        found = Cursor(int(at), int(number))
    except ValueError:
        return FIRST
    return found if 0 <= found.at <= CALL_MAX and 0 <= found.number <= CALL_MAX else FIRST


def spell_cursor(place: Cursor) -> str:
    return f"{place.at}-{place.number}"


def call_of(moved: Moved) -> str:
    """The id of the call that a refund or a correction is of; empty for anything else."""
    call = moved.ref.partition(":")[0]
    try:
        parse_request_id(call)
    except ValueError:
        return ""
    return call


def _names(connection: Connection, org: int, budgets: list[BudgetRow]) -> dict[int, str]:
    """Whose each budget is, by its id: the name of a key, the address of a member, nothing for the organization."""
    subjects = {budget.subject for budget in budgets}
    keys = list_keys(connection, org) if Subject.KEY in subjects else []
    people = list_members(connection, org) if Subject.MEMBER in subjects else []
    names = {(Subject.KEY, key.id): key.name or f"{key.prefix}…" for key in keys}
    names |= {(Subject.MEMBER, user.id): user.email for user, _ in people}
    fallback = {Subject.KEY: "key", Subject.MEMBER: "user"}
    return {
        budget.id: names.get((budget.subject, budget.number), format_id(fallback[budget.subject], budget.number))
        for budget in budgets
        if budget.subject in fallback
    }


def _address(member: Member, path: str = PATH, **said: str) -> str:
    return member.href(path, **said)
