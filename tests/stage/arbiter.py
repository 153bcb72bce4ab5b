"""An arbiter as pages and the API ask one: the real limits and scheduler, which a test lets calls into, or sends away."""

from itertools import count

from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Configuration, Look, Seen
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.limits.rule import Rule
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.scheduler import Scheduler

SEATS = 2


class StageArbiter:
    """One lane of SEATS seats that serves every model."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self.looks: list[Look] = []
        self._clock = clock
        self._decider = Decider(Scheduler(), Limits(Policy()))
        self._tickets = count(1)
        self._revisions = count(1)
        self.rule()

    def rule(self, *rules: Rule, **models: int) -> None:
        """The rules from now on, beside the defaults; `models` are those that a pattern may mean."""
        names = {number: name for name, number in models.items()}
        lanes = (LaneSpec(id=1, seats=SEATS),)
        self._decider.configure(Configuration(next(self._revisions), lanes, rules, names), self._clock.now())

    def call(self, org: int, model: int, tier: Tier = Tier.FLEX, *, key: int = 1, tokens: int = 100) -> int:
        """A call that begins: its ticket. With SEATS in use it waits."""
        ticket = next(self._tickets)
        ask = Claim(ticket, org, key, tier, model, (1,), tokens, tokens, stream=False, max_wait=60_000_000)
        self._decider.acquire(ask, self._clock.now())
        return ticket

    def end(self, ticket: int, tokens: int = 100) -> None:
        self._decider.end(ticket, Spent(fresh=tokens, output=tokens), OK, self._clock.now())

    async def look(self, look: Look) -> tuple[Seen, ...]:
        if self.away:
            raise PuyunError("temporarily_unavailable", 503, "Nobody can tell at the moment.")
        self.looks.append(look)
        return self._decider.look(look, self._clock.now())
