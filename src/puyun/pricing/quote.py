"""The ceiling price of a call before it is made: what to hold."""

from puyun.kit.money import hold_of
from puyun.pricing.pricebook import Rates


def ceiling(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    """Nano-units that cover this many tokens whatever their kind."""
    return hold_of(input_tokens * rates.dearest_input + output_tokens * rates.dearest_output)
