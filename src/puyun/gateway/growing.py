"""A stream's hold on its way up: asks the ledger ahead of need, waits for the answer only when nothing is left."""

import asyncio
from contextlib import suppress
from time import perf_counter

from puyun.gateway.admit import refusal
from puyun.gateway.finish import unavailable
from puyun.gateway.running import Call
from puyun.kit.errors import PuyunError
from puyun.ledger.command import Grow, Held, Outcome, Reason, Refused
from puyun.metering.allowance import Allowance
from puyun.pricing.quote import ceiling
from puyun.storage.ledger.writer import LedgerUnavailableError, LedgerWriter


class CreditSpentError(Exception):
    """What is held has been produced, and no more can be held."""


def _why(outcome: Outcome | None) -> PuyunError:
    """Only the wallet's and the budget's own no is the customer's matter."""
    if isinstance(outcome, Refused) and outcome.reason in {Reason.CREDIT, Reason.BUDGET, Reason.FROZEN}:
        return refusal(outcome)
    return unavailable()


class Growing:
    """The hold of one stream. `refused` is what the customer is told once it could not grow."""

    def __init__(self, call: Call, ledger: LedgerWriter) -> None:
        admission = call.admission
        self._call = call
        self._ledger = ledger
        facts = admission.facts
        self._allowance = Allowance(admission.output_held, facts.most * facts.answers)
        self._silent_pace = call.experience.silent_pace(facts.model)
        self._asked: asyncio.Future[Outcome] | None = None
        self._tokens = 0
        self.refused: PuyunError | None = None

    def due(self, produced: int) -> bool:
        """Whether there is anything to do; cheap, since it is asked for every chunk."""
        if self._asked is not None or self._allowance.spent(produced):
            return True
        return self._allowance.wanted(self._reckoned(produced)) > 0

    async def grow(self, produced: int) -> None:
        """Ask for more, take the answer when it is there. Raises CreditSpentError when the stream has to end."""
        if self._asked is None and (tokens := self._allowance.wanted(self._reckoned(produced))):
            self._ask(tokens)
        if self._asked is not None and (self._asked.done() or produced >= self._allowance.held):
            await self.settled()
        if self._allowance.spent(produced):
            raise CreditSpentError

    def _reckoned(self, produced: int) -> int:
        """While a model reasons unseen, time stands for tokens: asked for ahead, though never cut for."""
        if not self._silent_pace:
            return produced
        return max(produced, int((perf_counter() - self._call.leased_at) * self._silent_pace))

    async def settled(self) -> None:
        """Take the answer to what was asked, if anything was."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        outcome: Outcome | None = None
        with suppress(LedgerUnavailableError):
            outcome = await asked
        if isinstance(outcome, Held):
            self._allowance.grown(self._tokens)
            self._call.held = outcome.amount
            self._call.output_held += self._tokens
        else:
            self._allowance.refused()
            self.refused = _why(outcome)

    def _ask(self, tokens: int) -> None:
        key, call = self._call.admission.key, self._call
        self._tokens = tokens
        amount = ceiling(call.admission.rates, 0, tokens)
        self._asked = self._ledger.ask(Grow(key.org, call.call_id, key.id, amount, key.member))
