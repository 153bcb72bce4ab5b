"""What the arbiter has to know, out of the catalogue and the rule book."""

from collections.abc import Iterable

from puyun.arbiter.message import Configuration
from puyun.catalog.snapshot import Candidate
from puyun.limits.rule import Rule
from puyun.scheduler.lane import LaneSpec
from puyun.storage.snapshots import Snapshot

NOBODY = 0
"""Owner of a dedicated pool whose organization does not exist: its seats serve nobody."""


def configuration(snapshot: Snapshot, rules: Iterable[Rule], revision: int) -> Configuration:
    """Every deployment as a lane, every limit that is in force or to come."""
    candidates = {each.id: each for sold in snapshot.sold.values() for each in sold.candidates}
    return Configuration(
        revision=revision,
        lanes=tuple(_lane(candidate, snapshot.owners) for candidate in candidates.values()),
        rules=tuple(rules),
        models={sold.id: name for name, sold in snapshot.sold.items()},
    )


def _lane(candidate: Candidate, owners: dict[str, int]) -> LaneSpec:
    deployment = candidate.deployment
    dedicated = deployment.pool.startswith("dedicated:")
    return LaneSpec(
        id=candidate.id,
        pool=deployment.pool,
        owner=owners.get(deployment.pool, NOBODY) if dedicated else None,
        seats=deployment.seats,
        rpm=deployment.rpm,
        itpm=deployment.itpm,
        otpm=deployment.otpm,
        own=deployment.own or candidate.provider.engine is not None,
        lend=deployment.lend,
    )
