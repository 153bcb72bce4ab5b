"""How tight holds are, how often they grow, whom they refuse wrongly: the shipped bounds, allowance and ledger replayed.

Each call is held for, grows while it streams, is cut where it cannot, and is settled; the answers teach the bounds as
they do in the server. Beside it an oracle knows every charge beforehand: a call that the ledger refused for want of
credit, and that the oracle would have let through, was refused wrongly. Wallets run low, and are topped up after a call
was refused by a low wallet or could truly not be paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.kit.money import NANO, charge_of
from puyun.ledger.book import Book, Wallet
from puyun.ledger.command import Grow, Held, Hold, Refused, Settle, Settled
from puyun.ledger.hold import Status
from puyun.metering.allowance import Allowance
from puyun.metering.bound import Facts, first_hold
from puyun.metering.expectation import Expectation
from puyun.metering.ratio import START, Ratios
from puyun.metering.tokens import PER_MESSAGE, input_bound
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import PriceBook, PriceRow, Rates
from puyun.pricing.quote import ceiling
from puyun.pricing.rate import rate
from puyun.sim.trace import FIRST_TOKEN_MS, SPEED, Asked

MODEL = "sim"
PRICES = {"input": 3_000_000, "output": 15_000_000}
WALLETS = 8
TOP_UP = 5 * NANO
LOW = NANO
"""Wallets above this are those that must not be refused wrongly."""

CHUNK = 16
"""Output tokens between two looks at the allowance."""


class Report(NamedTuple):
    """Ratios and shares in thousandths or millionths, as the names say, so that the same seed gives the same bytes."""

    policy: str
    calls: int
    completed: int
    cut: int
    refused: int
    ratio_p50_milli: int
    ratio_p95_milli: int
    growth_p50: int
    growth_mean_milli: int
    false_402_ppm: int
    absorbed_ppm: int


@dataclass(slots=True)
class _Call:
    number: int
    asked: Asked
    charge: int
    """What it comes to if it runs to its end."""
    first: int
    allowance: Allowance
    produced: int = 0
    steps: int = 0


@dataclass(slots=True)
class _Tally:
    calls: int = 0
    above: int = 0
    """Calls that came to a wallet which was not low."""
    wrongly: int = 0
    refused: int = 0
    cut: int = 0
    ratios: list[int] = field(default_factory=list[int])
    steps: list[int] = field(default_factory=list[int])
    revenue: int = 0
    absorbed: int = 0


class _Replay:
    def __init__(self, *, tight: bool) -> None:
        self._tight = tight
        self._rates = _rates()
        self._ratios = Ratios()
        self._expectation = Expectation()
        self._book = Book({org: Wallet(org, paid=TOP_UP) for org in range(WALLETS)})
        self._promised = [0] * WALLETS
        self._running: dict[int, _Call] = {}
        self._due: list[tuple[int, int]] = []
        self.tally = _Tally()

    def run(self, calls: Sequence[Asked]) -> None:
        for number, asked in enumerate(calls):
            while self._due and self._due[0][0] <= asked.at:
                self._advance(*heappop(self._due))
            self._arrive(number, asked)
        while self._due:
            self._advance(*heappop(self._due))

    def _arrive(self, number: int, asked: Asked) -> None:
        tally, org = self.tally, asked.key % WALLETS
        charge = self._charge(asked, asked.output)
        wallet = self._book.wallets[org]
        affordable = wallet.paid - self._promised[org] >= charge
        inputs, outputs = self._bound(asked)
        amount = ceiling(self._rates, inputs, outputs)
        tally.calls += 1
        tally.above += wallet.paid > LOW
        if isinstance(self._book.apply(Hold(org, number, asked.key, amount, 1, Tier.FLEX)), Refused):
            tally.refused += 1
            tally.wrongly += affordable and wallet.paid > LOW
            if not affordable or wallet.paid <= LOW:
                wallet.paid += TOP_UP
            return
        self._promised[org] += charge
        self._running[number] = _Call(number, asked, charge, amount, Allowance(outputs, asked.most))
        heappush(self._due, (asked.at + FIRST_TOKEN_MS, number))

    def _bound(self, asked: Asked) -> tuple[int, int]:
        if not self._tight:
            ascii_only = START[asked.script] == min(START.values())
            return input_bound(asked.text, ascii_only=ascii_only, messages=1), asked.most
        facts = Facts(key=asked.key, model=MODEL, text=asked.text, script=asked.script, most=asked.most)
        return first_hold(facts, self._ratios, self._expectation)

    def _advance(self, now: int, number: int) -> None:
        call = self._running[number]
        call.produced = min(call.produced + CHUNK, call.asked.output)
        if call.produced == call.asked.output:
            self._settle(call, Status.COMPLETED)
            return
        tokens = call.allowance.wanted(call.produced)
        if tokens:
            call.steps += 1
            grow = Grow(call.asked.key % WALLETS, number, call.asked.key, ceiling(self._rates, 0, tokens))
            if isinstance(self._book.apply(grow), Held):
                call.allowance.grown(tokens)
            else:
                call.allowance.refused()
        if call.allowance.spent(call.produced):
            self._settle(call, Status.CUT)
        else:
            heappush(self._due, (now + CHUNK * 1_000 // SPEED, number))

    def _settle(self, call: _Call, status: Status) -> None:
        asked, tally, org = call.asked, self.tally, call.asked.key % WALLETS
        rated = self._charge(asked, call.produced)
        settled = self._book.apply(Settle(org, call.number, asked.key, Tier.FLEX, status, rated))
        if not isinstance(settled, Settled):
            raise TypeError(f"call {call.number} ended without its hold")
        self._promised[org] -= call.charge
        del self._running[call.number]
        tally.revenue += settled.charge
        tally.absorbed += rated - settled.charge
        tally.cut += status is Status.CUT
        tally.steps.append(call.steps)
        tally.ratios.append(call.first * 1_000 // max(settled.charge, 1))
        text = asked.text - PER_MESSAGE
        self._ratios.observe(MODEL, asked.script, size=text, tokens=asked.input)
        if status is Status.COMPLETED:
            self._expectation.observe(asked.key, MODEL, asked.output)

    def _charge(self, asked: Asked, output: int) -> int:
        return charge_of(rate(Usage(input=asked.input, output=output), self._rates).exact)


def replay(calls: Sequence[Asked], *, tight: bool) -> Report:
    """`tight`: as the server does it; else everything that a call might come to is held for from its start."""
    replayed = _Replay(tight=tight)
    replayed.run(calls)
    tally = replayed.tally
    ended = len(tally.steps)
    return Report(
        policy="steps" if tight else "full",
        calls=tally.calls,
        completed=ended - tally.cut,
        cut=tally.cut,
        refused=tally.refused,
        ratio_p50_milli=_quantile(tally.ratios, 500),
        ratio_p95_milli=_quantile(tally.ratios, 950),
        growth_p50=_quantile(tally.steps, 500),
        growth_mean_milli=sum(tally.steps) * 1_000 // max(ended, 1),
        false_402_ppm=tally.wrongly * 1_000_000 // max(tally.above, 1),
        absorbed_ppm=tally.absorbed * 1_000_000 // max(tally.revenue, 1),
    )


def _quantile(values: Sequence[int], part: int) -> int:
    """The smallest value that `part` of a thousand do not exceed; 0 of none."""
    return sorted(values)[max(-(-len(values) * part // 1_000), 1) - 1] if values else 0


def _rates() -> Rates:
    start = Instant(0)
    rows = [
        PriceRow(
            id=number,
            model=MODEL,
            tier=Tier.FLEX,
            meter=meter,
            amount=amount,
            effective_from=start,
            created_at=start,
        )
        for number, (meter, amount) in enumerate(PRICES.items(), 1)
    ]
    rates = PriceBook(rows).rates(MODEL, Tier.FLEX, start)
    if rates is None:
        raise RuntimeError("the simulated model has no price")
    return rates
