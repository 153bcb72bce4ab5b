"""Output that nobody sees: while a model reasons in silence, time stands for tokens."""

from puyun.metering.quantile import Quantiles

START = 100
"""Tokens a second of a model that nothing is known about."""

SECOND = 1_000
"""In milliseconds."""


class Pace:
    """How fast a model is at its fastest: 19 of 20 calls are slower. Of at most `models` models."""

    def __init__(self, models: int = 1_024) -> None:
        self._pace = Quantiles(950, START, models)

    def observe(self, model: str, *, tokens: int, milliseconds: int) -> None:
        """A finished answer; the time is that from its dispatch to its end."""
        if tokens > 0 and milliseconds > 0:
            self._pace.observe(model, tokens * SECOND // milliseconds)

    def of(self, model: str) -> int:
        """Tokens a second."""
        return self._pace.of(model)
