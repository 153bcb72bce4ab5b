"""Small numbers that stand for names in the hot tables. Append only: a number once given keeps its meaning."""

from puyun.catalog.model import Tier
from puyun.ledger.hold import Status

TIER_CODE: dict[str, int] = {Tier.TEST: 1, Tier.FLEX: 2, Tier.ENTERPRISE: 3}
TIER_NAME = {code: Tier(name) for name, code in TIER_CODE.items()}

STATUS_CODE: dict[str, int] = {
    Status.COMPLETED: 1,
    Status.CANCELLED: 2,
    Status.CUT: 3,
    Status.FAILED: 4,
    Status.CRASHED: 5,
}
STATUS_NAME = {code: Status(name) for name, code in STATUS_CODE.items()}
