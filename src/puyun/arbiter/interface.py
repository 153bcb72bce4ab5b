"""What a gateway asks of an arbiter, the same whether it decides here or in another process.

    lease = arbiter.acquire(claim)
    lane = lease.lane or await lease.seat()      # no await where there is a seat at once

and then, whatever happens, once: `lease.end(spent, signal)`. See `Lease` for what may happen between.
"""

from typing import Protocol

from puyun.arbiter.lease import Lease
from puyun.arbiter.message import Configuration, Look, Seen, Standing
from puyun.claim import Claim
from puyun.kit.errors import PuyunError
from puyun.scheduler.lane import Facts
from puyun.scheduler.view import PoolView


class Arbiter(Protocol):
    """One for each process; everything is called on its event loop. Nothing here blocks."""

    def acquire(self, claim: Claim) -> Lease:
        """A place for a call: a seat, or a place in the queue, or a refusal that `Lease.seat` will raise."""
        ...

    def observe(self, lane: int, facts: Facts) -> None:
        """What an answer's headers, or an engine of ours, said about a lane."""
        ...

    def configure(self, configuration: Configuration) -> None:
        """Lanes and limits from now on; one that is not newer than what is in force changes nothing."""
        ...

    async def knock(self, ip: str) -> PuyunError | None:
        """Count a request whose sender is not known against its network address; the error if that has sent too many."""
        ...

    async def look(self, look: Look) -> tuple[Seen, ...]:
        """Limits and queues as a key sees them, one for each model asked about. Raises PuyunError 503 where nobody can
        tell at the moment.
        """
        ...

    async def pools(self) -> tuple[PoolView, ...]:
        """Who uses what. Raises PuyunError 503 where nobody can tell at the moment."""
        ...

    async def standing(self, lease: Lease) -> Standing | None:
        """Where a waiting call stands in its queue; None once it waits no more, or where nobody can tell."""
        ...
