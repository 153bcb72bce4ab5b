"""Rules of limits as rows for people and programs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puyun.limits.rule import Rule
    from puyun.storage.limits.rules import LimitRow

RULE = ("id", "key", "tier", "models", "metric", "limit", "burst", "from", "until", "why")
HISTORY = (*RULE, "by", "set_at", "ended")


def rule_row(rule: "Rule") -> dict[str, object]:
    """A rule as it was set. `limit` is a number or `none`, `burst` seconds or null where a wider rule says it."""
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id

    return {
        "id": rule.id or None,
        "source": rule.scope if rule.id else "default",
        "key": format_id("key", rule.key) if rule.key else None,
        "tier": rule.tier or "every",
        "models": [rule.model] if rule.model else ["all"],
        "metric": rule.metric,
        "limit": "none" if rule.amount is None else rule.amount,
        "burst": rule.burst,
        "from": None if rule.starts is None else format_instant(rule.starts),
        "until": None if rule.ends is None else format_instant(rule.ends),
        "why": rule.why,
        "by": rule.by,
        "set_at": None if rule.created_at is None else format_instant(rule.created_at),
    }


def history_row(row: "LimitRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant

    ended = row.ended
    return rule_row(row.rule) | {
        "ended": None if ended is None else {"at": format_instant(ended.at), "by": ended.by, "why": ended.why}
    }


def columns(names: tuple[str, ...]) -> dict[str, str]:
    """Fields and their headings."""
    return {name: name.replace("_", " ") for name in names}
