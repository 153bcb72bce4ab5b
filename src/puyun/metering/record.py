"""The usage record: one for every admitted call, whatever happened to it. It is the receipt, before its words."""

from enum import IntFlag

import msgspec

from puyun.ledger.hold import Status
from puyun.metering.usage import Usage


class Flag(IntFlag):
    """What a record says about its own figures."""

    ESTIMATED = 1
    """The provider reported no usage; output was counted from what was relayed."""
    ANOMALY = 2
    """The provider's buckets did not add up to its total; the cheaper reading was taken."""
    OVERRUN = 4
    """Usage came to more than the hold and the wallet could pay; the operator absorbed the rest."""
    UNPRICED = 8
    """A bucket had tokens but no rate; it was not charged."""
    UNKNOWN = 16
    """The provider reported a figure that no bucket stands for; it was not charged."""
    EMPTY = 32
    """The answer says nothing; whatever the provider reported for it is not charged."""


NO_FLAGS = Flag(0)


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`exact` in pico-units, `held` in nano-units, times in milliseconds. Integers name rows of the catalogue."""

    org: int
    call: int
    key: int
    model: int
    deployment: int
    tier: str
    tier_requested: str
    status: Status
    usage: Usage
    exact: int
    held: int
    price_ids: str
    flags: Flag = NO_FLAGS
    attempts: int = 1
    queue_ms: int = 0
    ttft_ms: int = 0
    total_ms: int = 0
    error: str | None = None
    overhead_us: int | None = None
    """Microseconds that we added: neither the wait nor the provider's. It goes into the tally, and is not stored."""
    member: int = 0
    """Whose budget it counts against; the key says so too, and so it is not stored."""
