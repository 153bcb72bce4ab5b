"""What finished calls have taught about the next ones. Bounded, lost with the process, learned again within some calls."""

from typing import NamedTuple

from puyun.metering.bound import Facts, first_hold
from puyun.metering.expectation import Expectation
from puyun.metering.media.attachment import NO_ATTACHMENTS
from puyun.metering.pace import Pace
from puyun.metering.quantile import Quantiles
from puyun.metering.ratio import PER, Ratios, Script
from puyun.metering.reading import Reading
from puyun.metering.record import Flag
from puyun.metering.tokens import estimate

UNKNOWN_MAX = 1_024
"""Deployments whose unknown figures are remembered, so that each is told of once."""

USUAL = 256
"""Output tokens that the first answer of a key and model is reckoned with."""

PAIRS = 16_384
"""Keys and models whose answers are remembered; with one more, how often each was seen begins anew."""

_PLAIN = frozenset({Script.LATIN, Script.CODE})

FAMILIAR = 256
"""Calls of a key and a model after which one in SAMPLE is learned from: the rest would say the same again."""

SAMPLE = 8


class Ended(NamedTuple):
    """A completed answer: what was asked, what the provider reported, and how long it took from its dispatch."""

    facts: Facts
    reading: Reading
    milliseconds: int


class Experience:
    """Asked before a call, told after it."""

    def __init__(self) -> None:
        self._ratios = Ratios()
        self._expectation = Expectation()
        self._usual = Quantiles(500, USUAL, PAIRS)
        self._pace = Pace()
        self._silent: set[str] = set()
        self._unknown: set[int] = set()
        self._ended: dict[tuple[int, str], int] = {}

    def first_hold(self, facts: Facts) -> tuple[int, int]:
        """Input tokens to hold for, and output tokens of all answers that the first step covers."""
        return first_hold(facts, self._ratios, self._expectation)

    def likely(self, facts: Facts) -> tuple[int, int]:
        """Input and output tokens that the call will probably use: what limits and queues reckon with until its end."""
        ratio = self._ratios.mean(facts.model, facts.script)
        text = estimate(facts.text, ascii_only=facts.script in _PLAIN) if ratio is None else facts.text * ratio // PER
        inputs = text + facts.attachments.tokens(facts.model)
        return inputs, min(facts.most, self._usual.of((facts.key, facts.model))) * facts.answers

    def learn(self, ended: Ended) -> None:
        """Estimates of our own teach nothing."""
        facts, reading, milliseconds = ended
        pair = (facts.key, facts.model)
        number = self._ended[pair] = self._ended.get(pair, 0) + 1
        if (number > FAMILIAR and number % SAMPLE) or Flag.ESTIMATED in reading.flags:
            return
        if len(self._ended) > PAIRS:
            self._ended.clear()
        usage = reading.usage
        if facts.attachments is NO_ATTACHMENTS:
            self._ratios.observe(facts.model, facts.script, size=facts.text, tokens=usage.input_tokens)
        output = usage.output_tokens
        if facts.most:
            answer = -(-output // facts.answers)
            self._expectation.observe(facts.key, facts.model, answer)
            self._usual.observe(pair, answer)
            self._pace.observe(facts.model, tokens=output, milliseconds=milliseconds)
        if usage.reasoning:
            self._silent.add(facts.model)

    def silent_pace(self, model: str) -> int:
        """Tokens a second that a model may produce unseen; 0 for one that was never seen to reason."""
        return self._pace.of(model) if model in self._silent else 0

    def first_unknown(self, deployment: int, reading: Reading) -> tuple[str, ...]:
        """Figures of a report that nobody knows how to charge, the first time a deployment sends some."""
        if not reading.unknown or deployment in self._unknown or len(self._unknown) >= UNKNOWN_MAX:
            return ()
        self._unknown.add(deployment)
        return reading.unknown
