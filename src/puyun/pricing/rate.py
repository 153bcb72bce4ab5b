"""Usage times rates: the exact cost and the charge, with the lines a receipt shows."""

import msgspec

from puyun.kit.money import charge_of
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import Rates


class Line(msgspec.Struct, frozen=True):
    """One line of a receipt: `price` and `exact` in pico-units (price per token, tokens * price)."""

    meter: str
    tokens: int
    price_id: int
    price: int
    exact: int


class Charge(msgspec.Struct, frozen=True):
    """`exact` in pico-units, `amount` in nano-units, `unpriced` the buckets that had tokens but no rate."""

    exact: int
    amount: int
    unpriced: tuple[str, ...] = ()


def rate(usage: Usage, rates: Rates) -> Charge:
    """Each bucket once, rounded once, down. A bucket without a rate costs nothing and is named, never guessed."""
    fresh, cached, written, kept, audio, image, said, reasoning, audio_output = rates.prices
    exact = (
        usage.input * fresh
        + usage.cached_input * cached
        + usage.cache_write * written
        + usage.cache_write_1h * kept
        + usage.audio * audio
        + usage.image_input * image
        + usage.output * said
        + usage.reasoning * reasoning
        + usage.audio_output * audio_output
    )
    unpriced: tuple[str, ...] = ()
    for bucket in rates.gaps:
        if getattr(usage, bucket):
            unpriced += (bucket,)
    return Charge(exact, charge_of(exact), unpriced)


def lines(usage: Usage, rates: Rates) -> list[Line]:
    """The same computation, spelled out line by line for a receipt."""
    found: list[Line] = []
    for bucket in BUCKETS:
        tokens = getattr(usage, bucket)
        if tokens and bucket in rates.by_meter:
            row = rates.by_meter[bucket]
            found.append(Line(bucket, tokens, row.price_id, row.price, tokens * row.price))
    return found
