"""How long the next answer will be, from how long a key's answers from a model have been."""

from puyun.metering.allowance import FIRST_STEP
from puyun.metering.quantile import Quantiles

LEAST = 256
"""No first step is smaller. In the replay (`puyun simulate holds`) a floor of 1,024 held 34 times the charge at p95 where
answers are short, one of 256 under 10 times, for 0.4 growths a call instead of 0.1."""


class Expectation:
    """Nine answers in ten of a key's calls of a model are at most this long; of at most `pairs` keys and models.

    A key that has not called a model yet is expected to get answers of FIRST_STEP tokens.
    """

    def __init__(self, pairs: int = 16_384) -> None:
        self._answers = Quantiles(900, FIRST_STEP, pairs)

    def observe(self, key: int, model: str, tokens: int) -> None:
        """`tokens` is the length of one answer, all kinds of output tokens together."""
        self._answers.observe((key, model), tokens)

    def of(self, key: int, model: str) -> int:
        return self._answers.of((key, model))

    def first_step(self, key: int, model: str, most: int) -> int:
        """Output tokens that the first hold of a stream covers, for one answer that ends after `most` at the latest."""
        return min(most, max(LEAST, self.of(key, model)))
