"""The rule book, compiled: which limits are in force for a key, a model and a tier at a moment."""

from collections.abc import Iterable, Mapping

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.limits.rule import Metric, Rule


class Policy:
    """Immutable. `models` are the catalogue's numbers and names; `rules` come on top of the defaults (`table.py`)."""

    def __init__(self, rules: Iterable[Rule] = (), models: Mapping[int, str] | None = None, revision: int = 0) -> None:
        self.revision = revision
        self.models = dict(models or {})
        self.rules = tuple(rules)

    def effective(self, key: int, org: int, model: int, tier: Tier, now: Instant) -> dict[Metric, tuple[Rule, ...]]:
        """The rules in force, by metric; the first is the most specific, others are wider ones that also count."""
        raise NotImplementedError
