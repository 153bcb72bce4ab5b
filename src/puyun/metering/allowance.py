"""How many output tokens of a stream are paid for, and when to ask for more. Pure; `relay` asks the ledger.

A stream starts with a hold for a first step and grows ahead of need, so that a long answer does not lock up a wallet
from its first token (DESIGN 5.6). When it cannot grow, it runs to what is held and is cut there.
"""

FIRST_STEP = 1_024
"""Output tokens that a stream's first hold covers, per answer."""

AHEAD_PERCENT = 40
"""Grow when less than this part of a step is left."""


class Allowance:
    """`held` tokens are covered now, `most` is where the caller or the model ends."""

    def __init__(self, held: int, most: int) -> None:
        self.held = held
        self._most = most
        self._step = max(held, 1)
        self._refused = False

    def wanted(self, produced: int) -> int:
        """Tokens to ask the ledger for now; 0 while there are enough, or none to be had."""
        if self._refused or (self.held - produced) * 100 > self._step * AHEAD_PERCENT:
            return 0
        return max(min(self._step, self._most - self.held), 0)

    def grown(self, tokens: int) -> None:
        """The ledger agreed. Steps double, so that a long answer asks seldom."""
        self.held += tokens
        self._step *= 2

    def refused(self) -> None:
        """The ledger said no: this is all there is."""
        self._refused = True

    def spent(self, produced: int) -> bool:
        """Whether the stream has to be cut: more was produced than can be paid for."""
        return self._refused and produced >= self.held
