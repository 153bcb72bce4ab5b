"""What a model costs elsewhere, to ask about prices that are far off. From the same community data as the starter."""

from collections.abc import Iterable
from math import ceil

from puyun.catalog.fault import Fault, FaultKind
from puyun.catalog.layout import price_path
from puyun.catalog.model import Price
from puyun.catalog.validate import PLAUSIBLE
from puyun.integrations.genai_prices import RECORDS, SOURCES, amounts
from puyun.kit.clock import Instant, to_datetime
from puyun.kit.money import MICRO, format_price

CURRENCY = "USD"
"""The data is in US dollars; prices in another currency are not compared."""


def market_prices(model: str, now: Instant) -> dict[str, int]:
    """Micro-dollars per million tokens by meter, the dearest list price of the model's vendor; empty: not known."""
    for source in SOURCES:
        for info in RECORDS[source.record].models:
            if info.id.rpartition("/")[2].lower() == model.lower():
                found = amounts(info, to_datetime(now))
                return {meter: ceil(max(dollars) * MICRO) for meter, dollars in found.items()}
    return {}


def far_off(prices: Iterable[Price], now: Instant) -> list[Fault]:
    """A price more than PLAUSIBLE times above or below the vendor's. A price of zero is a gift, not a slip."""
    known: dict[str, dict[str, int]] = {}
    found: list[Fault] = []
    for price in prices:
        if price.model not in known:
            known[price.model] = market_prices(price.model, now)
        market = known[price.model].get(price.meter, 0)
        if (
            not market
            or not price.amount
            or (market <= price.amount * PLAUSIBLE and price.amount <= market * PLAUSIBLE)
        ):
            continue
        where = f"{price_path(price.model, price.tier, price.effective_from)}.{price.meter}"
        message = (
            f"{format_price(price.amount)} is more than {PLAUSIBLE} times off the vendor's own "
            f"{format_price(market)}; prices are per million tokens. If it is meant, set it with --force"
        )
        found.append(Fault(None, where, message, FaultKind.IMPLAUSIBLE))
    return found
