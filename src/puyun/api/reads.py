"""GET /v1/…: each endpoint is what it reads and how it is shown. Amounts are decimal strings."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puyun.api.access import ApiDeps
from puyun.catalog.model import TIERS
from puyun.catalog.snapshot import Key, SoldModel
from puyun.kit.clock import DAY, Instant, format_instant, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import parse_request_id
from puyun.kit.money import format_amount, format_price
from puyun.metering.usage import BUCKETS
from puyun.pricing.statement import parse_month, render
from puyun.storage.engine import reading
from puyun.storage.receipts import load_receipt, to_json
from puyun.storage.reports.statements import load_statement
from puyun.storage.usage import Grouping, UsageRow, usage_by, usage_totals
from puyun.storage.wallets import load_wallet

USAGE_DAYS = 30
"""What /v1/usage shows when no period is asked for."""


def models(_request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/models: those this key may call and that are priced now."""
    now = deps.clock.now()
    shown = [_model(sold, deps, key, now) for sold in deps.plane.snapshot.sold.values() if _visible(sold, key)]
    return _json({"object": "list", "data": [model for model in shown if model["tiers"]]})


def model(request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/models/{id}."""
    name = request.path_params["id"]
    sold = deps.plane.snapshot.sold.get(name)
    if sold is None or not _visible(sold, key):
        text = f"There is no model {name[:100]!r} for this key. GET /v1/models lists those there are."
        raise PuyunError("model_not_found", 404, text, param="model")
    return _json(_model(sold, deps, key, deps.clock.now()))


def balance(_request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/balance: `balance` = `available` + `held` for a prepaid wallet."""
    with reading(deps.engine) as connection:
        wallet = load_wallet(connection, key.org)
    amounts = {"balance": wallet.balance, "held": wallet.held, "available": wallet.available}
    shown = {name: format_amount(amount) for name, amount in amounts.items()}
    return _json({"currency": wallet.currency} | shown)


def receipt(request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/receipts/{request_id}: signed as it is asked for, always with the same signature by the same key."""
    asked = request.path_params["id"]
    try:
        org, call = parse_request_id(asked)
    except ValueError as error:
        raise PuyunError("invalid_request_error", 400, f"{error}.", param="request_id") from None
    found = None
    if org == key.org:
        with reading(deps.engine) as connection:
            found = load_receipt(connection, org, call)
    if found is None:
        text = f"There is no receipt {asked} for this organization; a call has one as soon as it has ended."
        raise PuyunError("receipt_not_found", 404, text)
    return _json(deps.signer.sign(to_json(found)))


def receipt_keys(_request: Request, deps: ApiDeps) -> Response:
    """GET /.well-known/puyun-receipt-keys: every key that receipts were ever signed with, as a JSON Web Key set."""
    return _json(deps.signer.published())


def statement(request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/statements/{month}: the canonical bytes, whose SHA-256 is kept when the month is closed."""
    asked = request.path_params["month"]
    try:
        month = parse_month(asked)
    except ValueError as error:
        raise PuyunError("invalid_request_error", 400, f"{error}.", param="month") from None
    if month.start > deps.clock.now():
        raise PuyunError("statement_not_found", 404, f"{month.name} has not begun, so it has no statement yet.")
    with reading(deps.engine) as connection:
        made = load_statement(connection, key.org, month)
    return Response(render(made), media_type="application/json")


def usage(request: Request, deps: ApiDeps, key: Key) -> Response:
    """GET /v1/usage?from&to&by=model: whole hours, UTC; the same rows as the portal."""
    end = _instant(request, "to") or deps.clock.now()
    start = _instant(request, "from") or Instant(end - USAGE_DAYS * DAY)
    if start >= end:
        raise PuyunError("invalid_request_error", 400, "`from` must be before `to`.", param="from")
    by = request.query_params.get("by", Grouping.MODEL)
    if by not in set(Grouping):
        expected = ", ".join(Grouping)
        raise PuyunError("invalid_request_error", 400, f"`by` is {by[:40]!r}; expected one of {expected}.", param="by")
    with reading(deps.engine) as connection:
        currency = load_wallet(connection, key.org).currency
        rows = usage_by(connection, key.org, Grouping(by), start, end)
        total = usage_totals(connection, key.org, start, end)
    period = {"from": format_instant(start), "to": format_instant(end), "by": by, "currency": currency}
    return _json(period | {"data": [_usage(row, by) for row in rows], "total": _usage(total, None)})


def _visible(sold: SoldModel, key: Key) -> bool:
    return not key.models or sold.model.name in key.models


def _model(sold: SoldModel, deps: ApiDeps, key: Key, now: Instant) -> dict[str, object]:
    tiers: dict[str, dict[str, str]] = {}
    for tier in TIERS:
        rates = deps.plane.snapshot.rates(sold.model.name, tier, now) if tier in key.tiers else None
        if rates is not None and rates.serves(sold.model.kind):
            tiers[tier] = {meter: format_price(rate.price) for meter, rate in rates.by_meter.items()}
    return {
        "id": sold.model.name,
        "object": "model",
        "created": sold.model.created,
        "owned_by": sold.model.vendor or "puyun",
        "kind": sold.model.kind,
        "context_length": sold.model.context_length,
        "max_output": sold.model.max_output,
        "label": sold.model.label,
        "description": sold.model.description,
        "currency": deps.currency,
        "tiers": tiers,
    }


def _usage(row: UsageRow, by: str | None) -> dict[str, object]:
    label: dict[str, object] = {by: row.label} if by else {}
    tokens = {bucket: getattr(row.usage, bucket) for bucket in BUCKETS}
    counts = {"requests": row.calls, "failures": row.failures, "tokens": tokens, "total_tokens": row.usage.total}
    return label | counts | {"cost": format_amount(row.charge)}


def _instant(request: Request, name: str) -> Instant | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        message = f"`{name}` is {text[:40]!r}; expected a date or time such as 2026-11-25 or 2026-11-25T12:00:00Z."
        raise PuyunError("invalid_request_error", 400, message, param=name) from None


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
