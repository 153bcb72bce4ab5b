"""One call that wants a seat: what limits, scheduler and arbiter are told of it, in one process or over a socket."""

import msgspec

from puyun.catalog.model import Tier

DEFAULT_PRIORITY = 5
"""Of a call whose sender names none. Lower numbers go first."""


class Claim(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Made once for each call; a second attempt is the same claim. On the wire an array that begins with its tag."""

    ticket: int
    """The call's id; unique among the calls that wait or run."""
    org: int
    key: int
    tier: Tier
    model: int
    """The catalogue's number of the model."""
    lanes: tuple[int, ...]
    """Deployments that can serve the call, in catalogue order: all of the model's, whichever pool they belong to."""
    input: int
    """Tokens, estimated."""
    output: int
    """Tokens, estimated; never `max_tokens` as such, which few answers reach."""
    stream: bool
    max_wait: int
    """Microseconds; the smaller of the tier's and of what the client asked for. 0: a seat now or never."""
    priority: int = DEFAULT_PRIORITY
    """0 (first) to 9 among the claims of the same key; it never moves another key's or organization's."""
    ip: str | None = None
    """The client's network address, where a limit may count by it."""
    waited: int = 0
    """Microseconds before whoever hears of it now."""

    @property
    def patience(self) -> int:
        """Microseconds that a limit may keep it back. Enterprise is told at once that one is reached (research: 3)."""
        return 0 if self.tier is Tier.ENTERPRISE else max(self.max_wait - self.waited, 0)
