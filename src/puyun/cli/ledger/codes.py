"""puyun redeem …: codes that credit a wallet once."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.ledger.grants import standing
from puyun.cli.ledger.options import NOBODY, ApprovedBy, By, agreed
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.money.codes import CodeRow

redeem_app = typer.Typer(no_args_is_help=True, help="Redeem codes: gifts, and credit that was sold elsewhere.")

MOST = 1000


@redeem_app.command("create")
def redeem_create(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What each code is worth, such as 10.00.")],
    *,
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many.")] = 1,
    kind: Annotated[str, typer.Option(help="gift (becomes bonus) or sold (becomes paid money).")] = "gift",
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; brand.currency by default.")] = None,
    expires: Annotated[str | None, typer.Option(help="Until when it can be used (UTC).")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How many days a gift lasts once it is used.")] = None,
    note: Annotated[str, typer.Option(help="What the codes are for.")] = "",
    by: By = NOBODY,
    approved_by: ApprovedBy = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make codes and print them, once: only hashes are kept."""
    from puyun.ledger.acts.grant import CodeKind
    from puyun.ledger.command import Act
    from puyun.storage.money.codes import CodeSpec, add_codes
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import redeem_code

    if kind not in set(CodeKind):
        raise usage(f"There is no kind {kind!r}.", "gift or sold")
    nano = parsing.amount(amount)
    given = agreed(Act("", by, note), nano * count, approved_by, data, config)
    spec = CodeSpec(
        kind=CodeKind(kind),
        amount=nano,
        currency=currency or opening.settings(data, config).brand.currency,
        expires_at=parsing.optional_instant(expires),
        bonus_days=days,
        note=note,
        by=given.by,
    )
    codes = [redeem_code() for _ in range(count)]
    with opening.writing(data, config) as connection:
        rows = add_codes(connection, spec, codes, SystemClock().now())
    shown = [{"code": code} | _described(row) for code, row in zip(codes, rows, strict=True)]
    output.emit(shown, {name: name for name in ("code", "kind", "amount", "currency", "expires")}, as_json=as_json)


@redeem_app.command("use")
def redeem_use(
    org: Org,
    code: Annotated[str, typer.Argument(metavar="CODE", help="As it was printed; dashes and case do not matter.")],
    *,
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Credit a code to an organization. A code is used once."""
    from puyun.storage.money.codes import use_code
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        posted = use_code(connection, found.id, code, by=by, now=SystemClock().now())
        described = {"transaction": posted.transaction} | standing(connection, found.id)
    output.emit_one(described, as_json=as_json)


@redeem_app.command("list")
def redeem_list(
    *,
    used: Annotated[bool | None, typer.Option("--used/--unused", help="Only these.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Codes by their first letters, the newest first."""
    from puyun.storage.money.codes import list_codes

    with opening.reading(data, config) as connection:
        rows = [_described(row) for row in list_codes(connection, used=used)]
    columns = ("id", "prefix", "kind", "amount", "currency", "expires", "used_by", "used", "note")
    output.emit(rows, {column: column.replace("_", " ") for column in columns}, as_json=as_json)


def _described(row: "CodeRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "id": row.id,
        "prefix": row.prefix,
        "kind": row.kind,
        "amount": format_amount(row.amount),
        "currency": row.currency,
        "expires": None if row.expires_at is None else format_instant(row.expires_at),
        "days": row.bonus_days,
        "used_by": None if row.used_by is None else format_id("org", row.used_by),
        "used": None if row.used_at is None else format_instant(row.used_at),
        "note": row.note,
        "by": row.created_by,
    }
