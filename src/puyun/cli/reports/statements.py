"""puyun statement: a month of one organization, the same bytes at any later time."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from puyun.cli import opening, output
from puyun.cli.failure import Exit, Failure, usage
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.identity.model import Organization
    from puyun.pricing.statement import Month, Statement
    from puyun.storage.reports.statements import Closed

_Where = tuple[Path | None, Path | None]
_Rows = list[dict[str, object]]


def statement(
    org: Org,
    *,
    month: Annotated[str, typer.Option(help="Calendar month (UTC), such as 2026-11.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of tables.")] = False,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write a PDF to this file instead of tables.")] = None,
    language: Annotated[str, typer.Option(help="Of the PDF: en or zh.")] = "en",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Where a month's balance came from and went: opening, top-ups, credits, usage by offer and meter, closing.

    A month that is over is closed, by a server or by the first look: the SHA-256 of what `--json` prints is kept. From then
    on it prints the same bytes, or exit 6.
    """
    from puyun.pricing.statement import render, to_csv
    from puyun.storage.engine import reading
    from puyun.storage.reports.statements import describe_closed, is_final, keep_closing, load_closed, load_statement
    from puyun.system.clock import SystemClock

    period = _month(month)
    now = SystemClock().now()
    if period.start > now:
        raise usage(f"{month} has not begun.", "this month or one before it")
    with opening.database(data, config) as engine:
        with reading(engine) as connection:
            found = opening.organization(connection, org)
            made = load_statement(connection, found.id, period)
            closed = load_closed(connection, found.id, period)
            final = is_final(connection, found.id, period, now)
        if closed is None and final:
            closed = keep_closing(engine, made, now)
    output.say(f"{month} of {found.name}: {describe_closed(closed) if closed else 'still open'}")
    if pdf is not None:
        _write_pdf(pdf, made, found, language, (data, config))
    elif as_csv:
        sys.stdout.write(to_csv(made))
    elif as_json:
        sys.stdout.write(render(made).decode())
    else:
        _print(made)
    _check(made, closed)


def _write_pdf(path: Path, made: "Statement", organization: "Organization", language: str, where: _Where) -> None:
    """The file is the portal's, byte for byte, in the same language."""
    from puyun.web.language import Language
    from puyun.web.papers.statement import issue_of, statement_pdf

    if language not in set(Language):
        raise usage(f"There is no PDF in {language!r}.", " or ".join(Language))
    settings = opening.settings(*where)
    with opening.reading(*where) as connection:
        issue = issue_of(connection, organization, made.month, (settings.brand, settings.seller))
    path.write_bytes(statement_pdf(made, issue, Language(language)))
    output.say(f"Written: {path}")


def _month(text: str) -> "Month":
    from puyun.pricing.statement import parse_month

    try:
        return parse_month(text)
    except ValueError as error:
        raise usage(f"{text!r} is no month.", "one such as 2026-11") from error


def _check(made: "Statement", closed: "Closed | None") -> None:
    from puyun.pricing.statement import digest

    if closed is not None and digest(made) != closed.sha256:
        raise Failure(
            f"The statement of {closed.month} is no longer the one that was closed.",
            f"Its SHA-256 is {digest(made)}, that of the closed one {closed.sha256}.",
            "Rows were changed behind the ledger's back. Find them: puyun audit",
            Exit.FAULTS,
        )


def _print(made: "Statement") -> None:
    from puyun.pricing.statement import document

    shown = document(made)
    usage_of = cast("dict[str, str]", shown["usage"])
    opening_of, closing_of = (cast("dict[str, str]", shown[name]) for name in ("opening", "closing"))
    rows: _Rows = [{"what": "opening", "amount": opening_of["total"]}]
    for movement in cast("_Rows", shown["movements"]):
        rows.append({"what": str(movement["entry"]).replace("_", " "), "amount": movement["total"]})
    rows.append({"what": "usage", "amount": _less(usage_of["charge"])})
    rows.append({"what": "begun earlier, settled in this month", "amount": _less(usage_of["carried_in"])})
    rows.append({"what": "begun in this month, settled later", "amount": usage_of["carried_out"]})
    rows.append({"what": "closing", "amount": closing_of["total"]})
    output.table([row for row in rows if row["amount"] != "0.00" or row["what"] in {"opening", "closing"}], _MONEY)
    for name, columns in _TABLES.items():
        typer.echo()
        output.table(cast("_Rows", shown[name]), {column: column.replace("_", " ") for column in columns})


_MONEY = {"what": "", "amount": "amount"}
_TABLES = {
    "offers": ("tier", "model", "calls", "failures", "charge"),
    "lines": ("tier", "model", "meter", "tokens", "price_per_million", "amount"),
    "keys": ("key", "member", "calls", "tokens", "charge"),
}


def _less(amount: str) -> str:
    return amount.removeprefix("-") if amount.startswith("-") or amount == "0.00" else f"-{amount}"
