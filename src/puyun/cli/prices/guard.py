"""What is asked before a price changes: is it a slip of the unit, and was it announced in time?"""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import output
from puyun.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from puyun.catalog.fault import Fault
    from puyun.catalog.model import Price
    from puyun.config import Settings
    from puyun.kit.clock import Instant
    from puyun.pricing.proposal import Effect

Force = Annotated[bool, typer.Option("--force", help="Yes, although it looks like a slip or comes without its notice.")]
Why = Annotated[str, typer.Option(help="Reason, kept with the row.")]
By = Annotated[str, typer.Option(help="Who changes it, kept with the row.")]


def slips(prices: "Sequence[Price]", settings: "Settings", now: "Instant") -> "list[Fault]":
    """Prices far off what the vendor itself asks; nothing where the currency is another one."""
    from puyun.integrations.market import CURRENCY, far_off

    return far_off(prices, now) if settings.brand.currency == CURRENCY else []


def ask_slips(faults: "Sequence[Fault]", *, force: bool) -> None:
    """Raises Failure for the first price that is more likely per token, or in cents, than meant."""
    if faults and not force:
        raise Failure(
            faults[0].message.partition(";")[0] + ".",
            "Prices are per million tokens; such a step is nearly always a slip of the unit.",
            "Check the amount; if it is meant, run the command again with --force.",
        )


def ask_notice(
    connection: "Connection", prices: "Sequence[Price]", settings: "Settings", now: "Instant", *, override: bool
) -> None:
    """Raises Failure for a dearer price that begins before its notice is over. `override`: forced, with a reason."""
    from puyun.kit.clock import DAY, format_instant
    from puyun.pricing.pricebook import PriceBook
    from puyun.pricing.proposal import effects, proposed, short_notice
    from puyun.storage.prices import load_price_rows

    days = settings.prices.notice_days
    if not days:
        return
    book = PriceBook(load_price_rows(connection))
    found = short_notice(effects(book, proposed(book, prices, now), prices, now), now, days * DAY)
    if found and not override:
        raise Failure(
            f"{_described(found[0])} is dearer and begins before {days} days are over.",
            "prices.notice_days says how long a dearer price is announced; a cheaper one may begin at once.",
            f"Announce it with --from {format_instant(_whole_day(now, days))}, or insist with --force and a reason (--why).",
        )
    for effect in found:
        output.say(f"Without its notice of {days} days: {_described(effect)}")


def _described(effect: "Effect") -> str:
    from puyun.kit.money import format_price

    before, after = format_price(effect.before or 0), format_price(effect.after or 0)
    return f"{effect.model} {effect.tier} {effect.meter} {before} → {after}"


def _whole_day(now: "Instant", days: int) -> "Instant":
    from puyun.kit.clock import DAY, Instant

    return Instant((-(-now // DAY) + days) * DAY)
