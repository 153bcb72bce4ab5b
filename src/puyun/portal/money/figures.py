"""What of the billing page moves while it is open: the balance, the budgets and the latest days. Pure."""

import hashlib
from collections.abc import Sequence

import msgspec

from puyun.kit.clock import DAY, Instant
from puyun.storage.budgets.budgets import BudgetRow
from puyun.storage.reports.promised import Promised
from puyun.storage.reports.transactions import Cursor, Moved
from puyun.storage.wallets import WalletRow
from puyun.web.formats import Formats, count

Figures = dict[str, dict[str, str | int]]
"""What moves, by line and by name within it."""

LIVE_DAYS = 2
"""Days whose calls may still be charged: today's, and those that began just before midnight."""


class Seen(msgspec.Struct, frozen=True):
    """An organization's money at one moment. `days`: the calls of the last LIVE_DAYS; `newest`: the last act."""

    at: Instant
    wallet: WalletRow
    promised: Promised
    budgets: list[BudgetRow]
    days: list[Moved]
    newest: Cursor | None


def budget_line(budget: BudgetRow) -> str:
    """The name of a budget's line."""
    return f"budget {budget.id}"


def day_line(moved: Moved) -> str:
    """The name of the line of a day's calls."""
    return f"day {moved.place.at // DAY}"


def figures(seen: Seen, formats: Formats) -> Figures:
    """Amounts as the page has them."""
    wallet, promised = seen.wallet, seen.promised
    found: Figures = {
        "wallet": {
            "balance": formats.money(wallet.balance),
            "held": formats.money(wallet.held),
            "available": formats.money(wallet.available),
            "paid": formats.money(wallet.paid),
            "bonus": formats.money(wallet.bonus),
            "calls": count(promised.calls),
            "for_calls": formats.money(promised.for_calls),
        }
    }
    for budget in seen.budgets:
        found[budget_line(budget)] = {
            "spent": formats.money(budget.spent),
            "held": formats.money(budget.held),
            "left": formats.money(budget.available),
            "gauge": gauge(budget),
        }
    for day in seen.days:
        found[day_line(day)] = {"amount": formats.signed(day.amount)}
    return found


def gauge(budget: BudgetRow) -> int:
    """Thousandths of a budget that are spent or held."""
    return min((budget.spent + budget.held) * 1000 // budget.amount, 1000)


def shape(seen: Seen) -> str:
    """Changes whenever anything but a figure does; a page of another shape has to be fetched again."""
    wallet = seen.wallet
    still: Sequence[object] = (
        wallet.credit_limit,
        wallet.open_invoices,
        wallet.frozen,
        seen.promised.for_payouts,
        [(budget.id, budget.amount) for budget in seen.budgets],
        sorted(day_line(day) for day in seen.days),
        seen.newest,
    )
    return hashlib.sha256(msgspec.json.encode(still)).hexdigest()[:12]
