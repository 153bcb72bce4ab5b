"""puyun price list, set, history, undo, rerate: the book, row by row."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import Exit, not_found, usage
from puyun.cli.opening import Config, Data, Json
from puyun.cli.prices import guard
from puyun.cli.prices.guard import By, Force, Why

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from puyun.catalog.model import Tier
    from puyun.kit.clock import Instant
    from puyun.pricing.pricebook import PriceBook, PriceRow

price_app = typer.Typer(no_args_is_help=True, help="The price book: dated prices that are never overwritten.")

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")]


@price_app.command("list")
def price_list(
    *,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only this tier.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Prices in force per million tokens, and the next ones that are announced."""
    from puyun.system.clock import SystemClock

    wanted = None if tier is None else parsing.tier(tier)
    now = SystemClock().now()
    book = _book(data, config)
    rows = [
        row
        for name, offered in book.offers()
        if model in {None, name} and wanted in {None, offered}
        for row in _offer(book, name, offered, now)
    ]
    columns = ("model", "tier", "meter", "price", "since", "next_price", "next_from")
    output.emit(rows, {column: column.replace("_", " ") for column in columns}, as_json=as_json)


@price_app.command("set")
def price_set(
    model: Model,
    tier: Annotated[str, typer.Argument(metavar="TIER", help="test, flex or enterprise.")],
    meter: Annotated[str, typer.Argument(metavar="METER", help="input, cached_input, cache_write, output …")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Per million tokens; `none` withdraws the price.")],
    *,
    start: Annotated[str | None, typer.Option("--from", help="When it takes effect (UTC); now by default.")] = None,
    why: Why = "",
    by: By = "cli",
    force: Force = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a price; a running server charges it within seconds, running calls keep the price they began with."""
    from puyun.catalog.fault import FaultKind
    from puyun.catalog.model import CatalogFile, Price
    from puyun.catalog.validate import check
    from puyun.storage.catalog import load_catalog
    from puyun.storage.prices import set_price
    from puyun.system.clock import SystemClock

    price = Price(
        model=model,
        tier=parsing.tier(tier),
        meter=meter,
        amount=parsing.price(amount),
        effective_from=parsing.optional_instant(start),
    )
    now = SystemClock().now()
    if price.effective_from is not None and price.effective_from < now:
        raise usage(f"{start} has passed.", "a time to come: what was sold yesterday was sold at yesterday's price")
    settings = opening.settings(data, config)
    with opening.writing(data, config) as connection:
        faults = check(CatalogFile(prices=(price,)), load_catalog(connection, now), now)
        steps = [fault for fault in faults if fault.kind is FaultKind.IMPLAUSIBLE]
        guard.ask_slips([*steps, *guard.slips([price], settings, now)], force=force)
        guard.ask_notice(connection, [price], settings, now, override=force and bool(why))
        row = set_price(connection, price, who=by, reason=why, now=now)
    output.emit_one(_row(row), as_json=as_json)


@price_app.command("undo")
def price_undo(
    number: Annotated[int, typer.Argument(metavar="ID", help="Id of an announced price; see `puyun price history`.")],
    *,
    why: Why = "",
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Call off an announced price before it begins; until half a minute before, so that no server charges it."""
    from puyun.storage.prices import revoke_price
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        row = revoke_price(connection, number, who=by, reason=why, now=SystemClock().now())
        book = _load(connection)
    output.emit_one(_row(book.by_id[row.id]), as_json=as_json)


@price_app.command("rerate")
def price_rerate(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The x-request-id of a call (req_…).")],
    *,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Compute a past charge again, to the last unit, from its tokens and price rows; exit 6 if anything differs."""
    from puyun.kit.ids import parse_request_id
    from puyun.storage.reports.rerating import rerate

    try:
        org, call = parse_request_id(request)
    except ValueError as error:
        raise usage(f"{error}.", "the x-request-id of an answer") from error
    with opening.reading(data, config) as connection:
        found = rerate(connection, org, call)
    if found is None:
        raise not_found("call", request, "A call has a record as soon as it ended; see its x-request-id.")
    output.emit_one({"request": request} | found.described(), as_json=as_json)
    if found.differences:
        raise typer.Exit(Exit.FAULTS)


@price_app.command("history")
def price_history(model: Model, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Every price a model ever had, and those announced."""
    rows = [_row(row) for row in _book(data, config).history(model)]
    if not rows:
        raise not_found("price of a model", model, "See them: puyun price list")
    columns = ("id", "tier", "meter", "price", "from", "set_at", "set_by", "why", "revoked")
    output.emit(rows, {column: column.replace("_", " ") for column in columns}, as_json=as_json)


def _book(data: Data, config: Config) -> "PriceBook":
    with opening.reading(data, config) as connection:
        return _load(connection)


def _load(connection: "Connection") -> "PriceBook":
    from puyun.pricing.pricebook import PriceBook
    from puyun.storage.prices import load_price_rows

    return PriceBook(load_price_rows(connection))


def _offer(book: "PriceBook", model: str, tier: "Tier", now: "Instant") -> list[dict[str, object]]:
    from puyun.kit.clock import format_instant
    from puyun.kit.money import format_price

    rates = book.rates(model, tier, now)
    upcoming: dict[str, PriceRow] = {}
    for row in book.upcoming(model, tier, now):
        upcoming.setdefault(row.meter, row)
    own = rates.own if rates else {}
    found: list[dict[str, object]] = []
    for meter in sorted({*own, *upcoming}):
        current = book.by_id[own[meter].price_id] if meter in own else None
        following = upcoming.get(meter)
        found.append(
            {
                "model": model,
                "tier": tier,
                "meter": meter,
                "price": None if meter not in own else format_price(own[meter].price),
                "price_id": None if current is None else current.id,
                "since": None if current is None else format_instant(current.effective_from),
                "next_price": None if following is None or following.amount is None else format_price(following.amount),
                "next_from": None if following is None else format_instant(following.effective_from),
            }
        )
    return found


def _row(row: "PriceRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.money import format_price

    return {
        "id": row.id,
        "model": row.model,
        "tier": row.tier,
        "meter": row.meter,
        "price": None if row.amount is None else format_price(row.amount),
        "from": format_instant(row.effective_from),
        "set_at": format_instant(row.created_at),
        "set_by": row.created_by,
        "why": row.reason,
        "revoked": row.revoked
        and {"at": format_instant(row.revoked.at), "by": row.revoked.by, "why": row.revoked.reason},
    }
