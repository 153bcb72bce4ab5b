"""What clients do when they are refused, and what a gateway expects of them by what they did before."""

from random import Random  # noqa: TID251 - seeded: a simulation is the same every time

from puyun.kit.clock import SECOND
from puyun.sim.scenario import Source
from puyun.sim.tiers.call import Call

FIRST_EXPECTED = 256
LEARNING = 8
"""An answer counts for one part of so many of what is expected next."""

PAUSE_LEAST = SECOND // 2
PAUSE_MOST = 8 * SECOND
OBEYED_MOST = 60 * SECOND
"""How official client libraries wait: from half a second to eight, doubled each time; as told, up to a minute."""


class Clients:
    """`seed` decides how long they wait before they try again."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(f"{seed}/clients")  # noqa: S311 - nothing here is a secret
        self._answers: dict[int, int] = {}

    def expected(self, call: Call) -> int:
        """Output tokens, by the key's answers so far."""
        return min(call.most, self._answers.get(call.key, FIRST_EXPECTED))

    def saw(self, call: Call) -> None:
        before = self._answers.get(call.key, call.output)
        self._answers[call.key] = max(before + (call.output - before) // LEARNING, 1)

    def pause(self, source: Source, call: Call, told: int | None) -> int:
        """Microseconds until the client tries again."""
        if source.impatient:
            return PAUSE_LEAST
        if told is not None and told <= OBEYED_MOST:
            return told
        backoff = min(PAUSE_LEAST << (call.tries - 1), PAUSE_MOST)
        return round(backoff * (1 - self._dice.random() / 4))
