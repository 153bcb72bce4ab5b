"""What a refused call is told: whose limit or which lack it was, and when to come again. Pure."""

from puyun.arbiter.message import Refused
from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND
from puyun.kit.errors import Blame, PuyunError
from puyun.limits.headers import JITTER_MAX, retry
from puyun.limits.reading import Over
from puyun.scheduler.decision import Why

LIMIT = "limit"
"""`Refused.why` when it was one of the organization's own limits."""

AWAY_RETRY = 2 * SECOND
"""After which a Test call comes again when the arbiter was away."""

_SAID = {
    Why.QUEUE_FULL: "The queue for this model is full.",
    Why.WAIT_TOO_LONG: "A seat for this model will not be free in time.",
    Why.EXPIRED: "No seat for this model became free in time.",
    Why.DROPPED: "The queue for this model is full, and your organization has most calls in it.",
    Why.NO_LANE: "No deployment can serve this model at the moment.",
    Why.RETRIES_SPENT: "Every attempt to serve the call failed.",
    Why.AWAY: "Seats cannot be given out at the moment.",
}


def refused(ticket: int, over: Over) -> Refused:
    """By a limit."""
    limit = over.scope, over.metric, over.limit, over.used
    return Refused(ticket, LIMIT, over.wait, *limit, readings=over.readings)


def error_for(refused: Refused, tier: Tier = Tier.TEST) -> PuyunError:
    """429 for a limit and at the Test tier, which promises nothing; 503 for lack of capacity at the others."""
    if refused.why == LIMIT:
        return _over(refused)
    status = 429 if tier is Tier.TEST else 503
    wait = SECOND if refused.retry_after is None else refused.retry_after
    headers = retry(wait, 0 if refused.why == Why.AWAY else _jitter(refused.ticket))
    text = f"{_SAID[Why(refused.why)]} You were not charged; try again in {headers['retry-after']} s."
    return PuyunError("capacity_unavailable", status, text, blame=Blame.US, headers=headers)


def _over(refused: Refused) -> PuyunError:
    scope = refused.scope.replace("_", " × ")
    what = f"The {refused.metric} limit of {refused.limit} for this {scope} is reached ({refused.used} used)."
    headers = retry(refused.retry_after, _jitter(refused.ticket))
    if refused.retry_after is None:
        then = "This call is larger than the limit itself; send less, or ask for a higher limit."
    else:
        then = f"You were not charged; try again in {headers['retry-after']} s."
    details = {
        "scope": refused.scope,
        "metric": refused.metric,
        "limit": str(refused.limit),
        "used": str(refused.used),
    }
    return PuyunError("rate_limit_exceeded", 429, f"{what} {then}", details=details, headers=headers)


def _jitter(ticket: int) -> int:
    """As good as random from one call to the next, and the same for the same call."""
    return (ticket * 2_654_435_761 >> 16) % (JITTER_MAX + 1)
