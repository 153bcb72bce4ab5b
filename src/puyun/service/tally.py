"""What the calls of one organization, model and tier came to: exact counts, and histograms for a look at the rest."""

from typing import Protocol

from puyun.ledger.hold import Status
from puyun.service.histogram import NAMES, Kind, bin_of, text_of
from puyun.service.verdict import BAD, OVERHEAD_US, UNTIMED, WAIT_MS, Verdict, verdict

COUNTS = (
    "calls",
    *(str(cause) for cause in BAD),
    "refused",
    "gone",
    "waits",
    "waits_over",
    "overheads",
    "overheads_over",
)
"""`calls` are the valid ones, good and bad; `refused` and `gone` are none of them. A wait or an overhead is `over` when
it was longer than promised."""

_WAIT, _FIRST_TOKEN = NAMES[Kind.WAIT], NAMES[Kind.FIRST_TOKEN]
_SPEED, _OVERHEAD = NAMES[Kind.SPEED], NAMES[Kind.OVERHEAD]

_PLACE = {name: place for place, name in enumerate(COUNTS)}
_WAITS, _OVERHEADS, _CALLS = _PLACE["waits"], _PLACE["overheads"], _PLACE["calls"]
_COUNTED: dict[str, tuple[int, ...]] = {
    Verdict.GOOD: (_CALLS,),
    **{cause: (_CALLS, _PLACE[cause]) for cause in BAD},
    Verdict.REFUSED: (_PLACE["refused"],),
    Verdict.GONE: (_PLACE["gone"],),
}


class Spoken(Protocol):
    """Tokens of an answer."""

    @property
    def output_tokens(self) -> int: ...


class Ended(Protocol):
    """What is read of a usage record."""

    @property
    def tier(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def error(self) -> str | None: ...
    @property
    def usage(self) -> Spoken: ...
    @property
    def queue_ms(self) -> int: ...
    @property
    def ttft_ms(self) -> int: ...
    @property
    def total_ms(self) -> int: ...
    @property
    def overhead_us(self) -> int | None: ...


class Tally:
    """Mutable; one thread at a time. `counts` in the order of COUNTS, `names` the observations, as they are named in text."""

    __slots__ = ("counts", "names")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTS)
        self.names: dict[str, int] = {}

    def observe(self, ended: Ended) -> None:
        """A call that was held and has ended."""
        counts, see, status = self.counts, self._see, ended.status
        if status is Status.COMPLETED:
            counts[_CALLS] += 1
        else:
            for place in _COUNTED[verdict(status, ended.error)]:
                counts[place] += 1
            if ended.error in UNTIMED:
                return
        self._wait(ended.tier, ended.queue_ms)
        first = ended.ttft_ms
        if first:
            see(_FIRST_TOKEN[bin_of(first * 1000)])
            tokens, took = ended.usage.output_tokens - 1, ended.total_ms - first
            if tokens > 0 and took > 0:
                see(_SPEED[bin_of(tokens * 1_000_000 // took)])
        added = ended.overhead_us
        if added is not None:
            counts[_OVERHEADS] += 1
            if added > OVERHEAD_US:
                counts[_OVERHEADS + 1] += 1
            see(_OVERHEAD[bin_of(added)])

    def refuse(self, error: str | None, waited_ms: int, often: int = 1) -> None:
        """So many calls that ended before they were held. `error`: the code they were told; None when their client went.

        A wait that led to no seat is not as promised, however short; it is shown for as long as it was.
        """
        judged = Verdict.GONE if error is None else verdict(Status.FAILED, error)
        for place in _COUNTED[judged]:
            self.counts[place] += often
        if judged is Verdict.CAPACITY:
            self.counts[_WAITS] += often
            self.counts[_WAITS + 1] += often
        if waited_ms and judged in {Verdict.CAPACITY, Verdict.GONE}:
            self._see(_WAIT[bin_of(waited_ms * 1000)], often)

    def add(self, other: "Tally") -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        for name, often in other.names.items():
            self.names[name] = self.names.get(name, 0) + often

    @property
    def seen(self) -> str:
        """Every histogram, as `puyun.service.histogram` writes them."""
        return text_of(self.names)

    def _wait(self, tier: str, waited_ms: int) -> None:
        self.counts[_WAITS] += 1
        if waited_ms > WAIT_MS[tier]:
            self.counts[_WAITS + 1] += 1
        self._see(_WAIT[bin_of(waited_ms * 1000)])

    def _see(self, name: str, often: int = 1) -> None:
        self.names[name] = self.names.get(name, 0) + often
