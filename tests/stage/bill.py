"""What a call must cost, computed beside all of the product's own code (DESIGN 5.1)."""

from decimal import Decimal

from stage.catalogue import CACHED, INPUT, OUTPUT


def charge(tokens_in: int, tokens_out: int, *, cached: int = 0) -> int:
    """Nano-units at the mock models' prices; `tokens_in` includes what was cached. One rounding, down."""
    return ((tokens_in - cached) * INPUT + cached * CACHED + tokens_out * OUTPUT) // 1000


def nano(decimal: str) -> int:
    """A decimal string of the API, exactly."""
    assert isinstance(decimal, str), f"{decimal!r} travels as a string"
    assert "e" not in decimal.lower()
    scaled = Decimal(decimal).scaleb(9)
    assert scaled == scaled.to_integral_value(), f"{decimal} is finer than a nano-unit"
    return int(scaled)
