"""All commands in one place, and the one boundary where a failure becomes three lines and an exit code."""

import os
import re
import sys
import traceback
from typing import Annotated

import typer

import puyun
from puyun.cli import checking, money, serving
from puyun.cli.catalog import catalog_app
from puyun.cli.failure import Exit, Failure, of_error
from puyun.cli.keys import key_app
from puyun.cli.ledger import calls, grants, seals
from puyun.cli.ledger.budgets import budget_app
from puyun.cli.ledger.codes import redeem_app
from puyun.cli.ledger.invoices import invoice_app
from puyun.cli.ledger.payouts import chargeback_app, payout_app
from puyun.cli.ledger.unmatched import payment_app
from puyun.cli.limits.wishes import limits_app
from puyun.cli.output import say
from puyun.cli.people import org_app, user_app
from puyun.cli.pools import pools_app
from puyun.cli.prices.sheets import price_app
from puyun.cli.reports import margins, statements
from puyun.cli.reports.receipts import receipt_app
from puyun.cli.reports.reconcile import reconcile_app
from puyun.cli.reports.sla import sla_app
from puyun.cli.simulation.app import simulate_app
from puyun.kit.errors import PuyunError
from puyun.system import crash

app = typer.Typer(
    name="puyun",
    help="Sell LLM API access: one server, your prices, three service tiers, exact money.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(serving.serve)
for group, name in (
    (catalog_app, "catalog"),
    (org_app, "org"),
    (user_app, "user"),
    (key_app, "key"),
    (budget_app, "budget"),
):
    app.add_typer(group, name=name)
app.command()(money.topup)
app.command()(money.balance)
app.command()(calls.refund)
app.command()(calls.correct)
app.command(context_settings={"ignore_unknown_options": True})(grants.adjust)  # so that -5.00 is an amount
app.add_typer(price_app, name="price")
app.command()(money.usage)
app.add_typer(receipt_app, name="receipt")
app.command()(statements.statement)
app.command()(margins.margin)
app.add_typer(reconcile_app, name="reconcile")
app.command()(checking.audit)
app.command()(seals.seal)
app.command()(checking.doctor)
app.command()(serving.migrate)
app.command()(serving.mock_upstream)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})(
    serving.bench
)
app.add_typer(pools_app, name="pools")
app.add_typer(limits_app, name="limits")
app.add_typer(sla_app, name="sla")
app.add_typer(simulate_app, name="simulate")

for group, name in (
    (grants.credit_app, "credit"),
    (redeem_app, "redeem"),
    (payment_app, "payment"),
    (payout_app, "payout"),
    (chargeback_app, "chargeback"),
    (invoice_app, "invoice"),
):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"puyun {puyun.__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Run before each command."""
    _ = context, version
    if debug:
        _debug.append(True)


_debug: list[bool] = []


def run(arguments: list[str]) -> int:
    """One command line; returns its exit code."""
    _debug.clear()
    try:
        crash.arm(os.environ.get(crash.VARIABLE, ""))
        app(arguments, prog_name="puyun")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.REFUSED
    except Failure as failure:
        return _failed(failure)
    except PuyunError as error:
        return _failed(of_error(error))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the boundary of the program: whatever it is, the person is told
        return _failed(_unexpected(error))
    return Exit.DONE


def _failed(failure: Failure) -> int:
    if _debug:
        traceback.print_exc()
    say(failure.lines())
    return failure.exit_code


def _unexpected(error: Exception) -> Failure:
    if "connection failed" in str(error):
        return Failure(
            "The database cannot be reached.",
            re.sub(r"\s+", " ", str(error)[str(error).index("connection failed") :].partition("(Background")[0]),
            "See that the server runs and that database.url names it; then: puyun doctor",
        )
    if "database is locked" in str(error) or "lock timeout" in str(error):
        return Failure(
            "The database is busy.",
            "Another process has kept its write lock for ten seconds.",
            "Try again; if it stays so, see which process writes: puyun doctor",
        )
    if isinstance(error, OSError):
        return Failure(f"{error}.", "The operating system refused it.", "Mend that and run the command again.")
    return Failure(
        f"{type(error).__name__}: {error}",
        "This is a bug of puyun, not of yours.",
        "Run it again as `puyun --debug …` and report what it prints.",
        Exit.BUG,
    )


def main() -> None:
    sys.exit(run(sys.argv[1:]))
