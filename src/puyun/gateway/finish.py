"""The end of a call: what was used, what it costs, and the one settle that makes it so."""

import logging
from time import perf_counter

import msgspec

from puyun.gateway.running import Call
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.money import charge_of
from puyun.ledger.command import Outcome, Settled
from puyun.ledger.hold import Status
from puyun.metering.experience import Ended
from puyun.metering.reading import Reading
from puyun.metering.record import NO_FLAGS, Flag, UsageRecord
from puyun.metering.usage import NO_USAGE
from puyun.pricing.rate import rate
from puyun.scheduler.attempt import ABANDONED, OK, Signal, SignalKind, Spent
from puyun.storage.ledger.writer import LedgerUnavailableError, LedgerWriter
from puyun.system import crash

log = logging.getLogger("puyun.gateway")


class FreeOutcome(msgspec.Struct, frozen=True):
    """A call that costs nothing: how it ended, and the code the customer was told."""

    status: Status
    error: str | None


class PaidOutcome(msgspec.Struct, frozen=True):
    """A call that is charged for what was read."""

    status: Status
    reading: Reading


async def finish(call: Call, outcome: FreeOutcome | PaidOutcome, ledger: LedgerWriter) -> Settled:
    """Settle or void, durably. Raises PuyunError 503 when the database refuses; the call is free then.

    It is the last word on a call: repeating it gets the first answer.
    """
    record = _record(call, outcome)
    _report(call, outcome)
    try:
        settled = await ledger.ask(record)
    except LedgerUnavailableError:
        raise unavailable() from None
    crash.reached("call-settled")
    accepted = _accept(settled, record)
    if isinstance(outcome, PaidOutcome):
        _learn(call, outcome)
    return accepted


def unavailable() -> PuyunError:
    """Nothing is served that cannot be billed."""
    text = "The service cannot reach its database. You were not charged; try again in a few seconds."
    return PuyunError("temporarily_unavailable", 503, text, blame=Blame.US, headers={"retry-after": "5"})


def _accept(outcome: Outcome, record: UsageRecord) -> Settled:
    """A settle without its hold means that this process was taken for dead: the call must not complete (I8).

    The ledger then answers what stands in its books: nothing at all, or that the call expired for nothing. A hold covers
    at least a part of any charge, so a charge of nothing for what has a price is the latter.
    """
    if not isinstance(outcome, Settled) or (outcome.charge == 0 and charge_of(record.exact) > 0):
        raise unavailable()
    return outcome


_LANE_FAILED = frozenset({"upstream_error", "upstream_timeout"})


def _report(call: Call, outcome: FreeOutcome | PaidOutcome) -> None:
    """What the arbiter will be told at the call's end."""
    if isinstance(outcome, PaidOutcome):
        usage = outcome.reading.usage
        written = usage.cache_write + usage.cache_write_1h
        fresh = usage.input_tokens - usage.cached_input - written
        call.spent = Spent(fresh=fresh, cached=usage.cached_input, written=written, output=usage.output_tokens)
        call.signal = ABANDONED if outcome.status is Status.CANCELLED else OK
    elif outcome.error in _LANE_FAILED:
        call.signal = Signal(SignalKind.FAILED)


def _learn(call: Call, outcome: PaidOutcome) -> None:
    experience, reading = call.experience, outcome.reading
    if outcome.status is Status.COMPLETED:
        milliseconds = int((perf_counter() - call.leased_at) * 1000)
        experience.learn(Ended(call.admission.facts, reading, milliseconds))
    if unknown := experience.first_unknown(call.deployment, reading):
        log.warning("usage_unknown", extra={"deployment": call.deployment, "figures": ", ".join(unknown)})


def _record(call: Call, outcome: FreeOutcome | PaidOutcome) -> UsageRecord:
    admission = call.admission
    now = perf_counter()
    flags, exact, usage, error, overhead = NO_FLAGS, 0, NO_USAGE, None, None
    if isinstance(outcome, PaidOutcome):
        usage, flags = outcome.reading.usage, outcome.reading.flags
        charge = rate(usage, admission.rates)
        exact = charge.exact
        if charge.unpriced:
            flags |= Flag.UNPRICED
        overhead = _overhead_us(call, now)
    else:
        error = outcome.error
    return UsageRecord(
        org=admission.key.org,
        call=call.call_id,
        key=admission.key.id,
        model=admission.sold.id,
        deployment=call.deployment,
        tier=admission.tier,
        tier_requested=admission.tier,
        status=outcome.status,
        usage=usage,
        exact=exact,
        held=call.held,
        price_ids=admission.rates.price_ids,
        flags=flags,
        attempts=call.attempts,
        queue_ms=int((call.seated_at - call.started_at) * 1000),
        ttft_ms=call.ttft_ms,
        total_ms=int((now - call.started_at) * 1000),
        error=error,
        overhead_us=overhead,
        member=admission.key.member,
    )


def _overhead_us(call: Call, now: float) -> int:
    """What we added: all but the way to a seat and the provider's time. Of a stream the provider has all from its request
    to its end. The settle to come is not in it; the hold, which the same thread wrote, is.
    """
    provider = (now if call.stream else call.answered_at) - call.leased_at
    return max(int((now - call.seated_at - provider) * 1_000_000), 0)
