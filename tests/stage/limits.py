"""Limits of a test's platform: none, but for the tests that set some."""

import time

from sqlalchemy import Engine

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.limits.rule import Metric, Subject
from puyun.storage.engine import writing
from puyun.storage.limits.rules import Change, set_limits

_LIFTED = tuple(metric for metric in Metric if metric is not Metric.QUEUED)
"""How many may wait stays bounded, for those whose calls in flight are."""


def unlimited(engine: Engine) -> None:
    """Tests call more often than people do."""
    now = Instant(time.time_ns() // 1000)
    with writing(engine) as connection:
        for tier in Tier:
            set_limits(connection, Subject(tier=tier), dict.fromkeys(_LIFTED), Change(by="test"), now=now)
