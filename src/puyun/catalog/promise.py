"""What each tier promises of the wait for a seat. Times in microseconds."""

from collections.abc import Mapping

from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND

WAIT: Mapping[str, int] = {Tier.TEST: 120 * SECOND, Tier.FLEX: 5 * SECOND, Tier.ENTERPRISE: SECOND // 4}
"""The longest wait that is as promised; at Test, which promises nothing, it is where waiting ends."""
