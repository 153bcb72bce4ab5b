"""What is read: organizations, usage, balance, transactions, statements, receipts, limits, prices."""

import re
from datetime import datetime
from typing import Annotated, NoReturn

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from puyun.arbiter.rows import Asker, offered, rows
from puyun.catalog.model import Tier
from puyun.control.access import AnyToken, BillingReader, LimitsReader, UsageReader, deps_of
from puyun.control.keys import find_key
from puyun.control.shapes import (
    BalanceShape,
    CallShape,
    LimitsTable,
    OrganizationShape,
    Page,
    StatementShape,
    TokenShape,
    TransactionShape,
    UsageShape,
    UsageTable,
)
from puyun.control.texts import amount, instant, moment
from puyun.identity.model import ApiKey
from puyun.kit.clock import DAY, Instant, to_datetime
from puyun.kit.errors import PuyunError
from puyun.kit.ids import CALL_MAX, format_id, parse_request_id, request_id
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.offers import public_prices
from puyun.pricing.statement import months_before, parse_month, render
from puyun.storage.engine import reading
from puyun.storage.receipts import load_receipt, to_json
from puyun.storage.reports.calls import CallRow, Wanted, call_page
from puyun.storage.reports.statements import CLOSED_MAX, list_closed, load_statement
from puyun.storage.reports.transactions import FIRST, Cursor, moved_page
from puyun.storage.usage import Grouping, UsageRow, usage_by, usage_totals
from puyun.storage.wallets import load_wallet

USAGE_DAYS = 30
"""What is shown when no period is asked for."""

PERIOD_MAX = 366 * DAY

LIMITS_PAGE = 100
"""Models at once."""

_PLACE = re.compile(r"(\d{1,19})-(\d{1,19})")

router = APIRouter()

CursorText = Annotated[
    str | None, Query(alias="cursor", max_length=60, description="`next_cursor` of the page before.")
]
From = Annotated[datetime | None, Query(alias="from", description="From this hour on, UTC; 30 days before `to`.")]
To = Annotated[datetime | None, Query(alias="to", description="Up to, without, this moment; now.")]


# --- who -----------------------------------------------------------------------------------------------------------
@router.get("/token", tags=["organization"], summary="The token that is used")
def get_token(caller: AnyToken) -> TokenShape:
    token = caller.bearer.token
    return TokenShape(
        id=format_id("tok", token.id),
        name=token.name,
        user=caller.bearer.user.email,
        role=caller.bearer.role,
        organization=format_id("org", token.org),
        scopes=list(token.scopes),
        created=moment(token.created_at),
        expires=moment(token.expires_at),
    )


@router.get("/organizations", tags=["organization"], summary="The organizations that the token opens")
def list_organizations(caller: AnyToken) -> Page[OrganizationShape]:
    """One: a token is for one organization, and tells nothing of the others that its user belongs to."""
    organization = caller.organization
    row = OrganizationShape(
        id=format_id("org", organization.id),
        name=organization.name,
        role=caller.bearer.role,
        tiers=list(organization.tiers),
        status=organization.status,
        created=moment(organization.created_at),
    )
    return Page(data=[row], next_cursor=None)


# --- usage ---------------------------------------------------------------------------------------------------------
@router.get("/usage", tags=["usage"], summary="Usage by model, key, tier, member, day or hour")
def get_usage(caller: UsageReader, start: From = None, end: To = None, by: Grouping = Grouping.MODEL) -> UsageTable:
    first, last = _period(start, end, caller.now)
    with reading(caller.deps.engine) as connection:
        currency = load_wallet(connection, caller.org).currency
        found = usage_by(connection, caller.org, by, first, last)
        total = usage_totals(connection, caller.org, first, last)
    return UsageTable(
        start=moment(first),
        end=moment(last),
        by=by,
        currency=currency,
        data=[_usage(row) for row in found],
        total=_usage(total),
    )


# --- billing -------------------------------------------------------------------------------------------------------
@router.get("/balance", tags=["billing"], summary="The wallet as it stands")
def get_balance(caller: BillingReader) -> BalanceShape:
    with reading(caller.deps.engine) as connection:
        wallet = load_wallet(connection, caller.org)
    return BalanceShape(
        currency=wallet.currency,
        balance=amount(wallet.balance),
        paid=amount(wallet.paid),
        bonus=amount(wallet.bonus),
        held=amount(wallet.held),
        available=amount(wallet.available),
    )


@router.get("/transactions", tags=["billing"], summary="What moved the balance, the newest first")
def list_transactions(caller: BillingReader, cursor: CursorText = None) -> Page[TransactionShape]:
    """All pages together add up to the balance."""
    after = FIRST
    if cursor is not None:
        place = _PLACE.fullmatch(cursor)
        after = _unknown_cursor() if place is None else Cursor(int(place[1]), int(place[2]))
        if max(after.at, after.number) > CALL_MAX:
            _unknown_cursor()
    with reading(caller.deps.engine) as connection:
        page = moved_page(connection, caller.org, after)
    data = [
        TransactionShape(entry=row.entry, at=moment(row.at), amount=amount(row.amount), ref=row.ref)
        for row in page.rows
    ]
    return Page(data=data, next_cursor=None if page.after is None else f"{page.after.at}-{page.after.number}")


@router.get("/statements", tags=["billing"], summary="The months that have a statement, the newest first")
def list_statements(caller: BillingReader) -> Page[StatementShape]:
    since = caller.organization.created_at
    past = [month.name for month in months_before(caller.now, CLOSED_MAX - 1) if month.end > since]
    with reading(caller.deps.engine) as connection:
        closed = list_closed(connection, caller.org)
    data: list[StatementShape] = []
    for name in [f"{to_datetime(caller.now):%Y-%m}", *reversed(past)]:
        found = closed.get(name)
        ended = None if found is None else moment(found.closed_at)
        data.append(StatementShape(month=name, closed=ended, sha256=None if found is None else found.sha256))
    return Page(data=data, next_cursor=None)


@router.get(
    "/statements/{month}", tags=["billing"], summary="The statement of a month", response_model=dict[str, object]
)
def get_statement(caller: BillingReader, month: Annotated[str, Path(max_length=20, examples=["2026-11"])]) -> Response:
    """The canonical bytes, whose SHA-256 is kept when the month is closed."""
    try:
        asked = parse_month(month)
    except ValueError as error:
        raise PuyunError("invalid_month", 422, f"{error}.", param="month") from None
    if asked.start > caller.now:
        raise PuyunError("statement_not_found", 404, f"{asked.name} has not begun, so it has no statement yet.")
    with reading(caller.deps.engine) as connection:
        made = load_statement(connection, caller.org, asked)
    return _json(render(made))


@router.get("/receipts", tags=["billing"], summary="Calls that have a receipt, the newest first")
def list_receipts(
    caller: BillingReader,
    start: From = None,
    end: To = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    cursor: CursorText = None,
) -> Page[CallShape]:
    """A search for one model looks at some thousand calls a page, so a page can be short, or empty, before the end."""
    wanted = Wanted(
        model=model,
        start=Instant(0) if start is None else instant(start, "from"),
        end=None if end is None else instant(end, "to"),
        before=CALL_MAX if cursor is None else _call(cursor, caller.org),
    )
    with reading(caller.deps.engine) as connection:
        page = call_page(connection, caller.org, wanted)
    after = None if page.before is None else request_id(caller.org, page.before)
    return Page(data=[_call_row(row) for row in page.rows], next_cursor=after)


@router.get(
    "/receipts/{id}", tags=["billing"], summary="The signed receipt of a call", response_model=dict[str, object]
)
def get_receipt(caller: BillingReader, number: Annotated[str, Path(alias="id", max_length=60)]) -> Response:
    """Signed as it is asked for, always with the same signature by the same key, as `GET /v1/receipts/{id}` gives it."""
    found = None
    try:
        org, call = parse_request_id(number)
    except ValueError:
        org, call = -1, 0
    if org == caller.org:
        with reading(caller.deps.engine) as connection:
            found = load_receipt(connection, org, call)
    if found is None:
        text = "The organization has no such receipt; a call has one as soon as it has ended."
        raise PuyunError("receipt_not_found", 404, text)
    return _json(msgspec.json.encode(caller.deps.signer.sign(to_json(found))))


# --- limits, prices ------------------------------------------------------------------------------------------------
@router.get("/limits", tags=["limits"], summary="What may be done, and how much of it is used")
async def get_limits(
    caller: LimitsReader,
    tier: Tier | None = None,
    key: Annotated[str | None, Query(max_length=40, description="Of this key beside the organization's.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> LimitsTable:
    """The database is read in a thread; the arbiter is asked here, on its event loop."""
    chosen = None if key is None else await run_in_threadpool(_key, caller, key)
    tiers = caller.organization.tiers
    usual = chosen.tier if chosen is not None and chosen.tier in tiers else tiers[0]
    wanted = tier or usual
    if wanted not in tiers:
        text = f"{caller.organization.name} may use {', '.join(tiers)}, not {wanted}."
        raise PuyunError("tier_not_allowed", 403, text, param="tier")
    asker = Asker(caller.org, wanted)
    if chosen is not None:
        asker = Asker(caller.org, wanted, chosen.id, frozenset(chosen.models))
    catalogue = caller.deps.catalogue()
    sold = sorted(offered(catalogue, asker, caller.now), key=lambda each: each.model.name)
    rest = [each for each in sold if cursor is None or each.model.name > cursor]
    part = rest[:LIMITS_PAGE]
    seen = await rows(caller.deps.arbiter, catalogue, asker, part)
    return LimitsTable(
        tier=wanted,
        tiers=list(tiers),
        data=msgspec.convert(msgspec.to_builtins(seen), list[dict[str, object]]),
        next_cursor=part[-1].model.name if len(rest) > len(part) else None,
    )


@router.get("/prices", tags=["prices"], summary="Every offer with its prices", response_model=dict[str, object])
def get_prices(request: Request) -> Response:
    """Public; the same document as `GET /api/prices`."""
    deps = deps_of(request)
    return _json(msgspec.json.encode(public_prices(deps.offers(), deps.currency)))


def _period(start: datetime | None, end: datetime | None, now: Instant) -> tuple[Instant, Instant]:
    last = now if end is None else instant(end, "to")
    first = Instant(max(last - USAGE_DAYS * DAY, 0)) if start is None else instant(start, "from")
    if not 0 < last - first <= PERIOD_MAX:
        text = f"`from` is before `to`, by at most {PERIOD_MAX // DAY} days."
        raise PuyunError("invalid_period", 422, text, param="from")
    return first, last


def _usage(row: UsageRow) -> UsageShape:
    return UsageShape(
        label=row.label,
        requests=row.calls,
        failures=row.failures,
        tokens=_tokens(row.usage),
        total_tokens=row.usage.total,
        cost=amount(row.charge),
    )


def _call_row(row: CallRow) -> CallShape:
    return CallShape(
        id=row.id,
        created=moment(row.created),
        model=row.model,
        tier=row.tier,
        key=format_id("key", row.key),
        status=row.status,
        tokens=_tokens(row.usage),
        total_tokens=row.usage.total,
        charge=amount(row.charge),
        refunded=amount(row.refunded),
        queue_ms=row.queue_ms,
        total_ms=row.total_ms,
    )


def _tokens(usage: Usage) -> dict[str, int]:
    return {bucket: getattr(usage, bucket) for bucket in BUCKETS}


def _call(cursor: str, org: int) -> int:
    try:
        owner, call = parse_request_id(cursor)
    except ValueError:
        owner, call = -1, 0
    return call if owner == org else _unknown_cursor()


def _key(caller: LimitsReader, text: str) -> ApiKey:
    with reading(caller.deps.engine) as connection:
        return find_key(connection, caller.org, text)


def _unknown_cursor() -> NoReturn:
    raise PuyunError("invalid_cursor", 422, "Send a cursor as the page before gave it.", param="cursor")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
