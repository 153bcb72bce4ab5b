"""The ceiling price of a call before it is made: what to hold."""

from puyun.kit.money import hold_of
from puyun.metering.usage import INPUT_BUCKETS, OUTPUT_BUCKETS
from puyun.pricing.pricebook import Rates


def dearest_input(rates: Rates) -> int:
    """Pico-units of the dearest kind of input token that the offer sells."""
    return max((rates.by_meter[meter].price for meter in INPUT_BUCKETS if meter in rates.by_meter), default=0)


def dearest_output(rates: Rates) -> int:
    """Pico-units of the dearest kind of output token that the offer sells; 0 for embeddings."""
    return max((rates.by_meter[meter].price for meter in OUTPUT_BUCKETS if meter in rates.by_meter), default=0)


def ceiling(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    """Nano-units that cover this many tokens whatever their kind."""
    return hold_of(input_tokens * dearest_input(rates) + output_tokens * dearest_output(rates))
