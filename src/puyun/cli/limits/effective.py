"""puyun limits show: what is in force for an organization, and where each limit comes from."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.failure import not_found
from puyun.cli.limits import shown
from puyun.cli.limits.book import limits_app
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from puyun.identity.model import Organization
    from puyun.kit.clock import Instant
    from puyun.limits.policy import Policy
    from puyun.limits.rule import Rule


Shown = Annotated[str | None, typer.Option(help="Only this model, or those of a pattern such as gpt-*.")]


@limits_app.command("show")
def limits_show(
    org: Org, *, model: Shown = None, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """The limits in force for an organization and its keys, where each comes from, and those to come.

    Rates of a tier are each model's, what is at a time is for all. A key with a limit of its own is listed by itself.
    """
    from puyun.limits.policy import matches
    from puyun.storage.limits.rules import load_policy
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    with opening.reading(data, config) as connection:
        found = opening.organization(connection, org)
        policy = load_policy(connection, now)
    models = {number: name for number, name in policy.models.items() if model is None or matches(model, name)}
    if model is not None and not models:
        raise not_found("model", model, "See them: puyun catalog export")
    rows = [*_effective(policy, found, models, now), *_own(policy, found, model, now)]
    names = ("tier", "models", "metric", "limit", "burst", "source", "key", "from", "until", "why")
    output.emit(rows, shown.columns(names), as_json=as_json)


def _effective(
    policy: "Policy", org: "Organization", models: "Mapping[int, str]", now: "Instant"
) -> "Iterator[dict[str, object]]":
    """By tier; models that have the same limit in one row."""
    from puyun.limits.rule import Metric

    order = list(Metric)
    for tier in org.tiers:
        grouped: dict[Rule, list[str]] = {}
        for number, name in sorted((models or {0: ""}).items(), key=lambda each: each[1]):
            for rules in policy.effective(0, org.id, number, tier, now).values():
                for rule in rules:
                    grouped.setdefault(rule, []).append(name)
        for rule, names in sorted(grouped.items(), key=lambda each: order.index(each[0].metric)):
            every = len(names) == max(len(policy.models), 1)
            yield shown.rule_row(rule) | {"tier": tier, "models": ["all"] if every else names}


def _own(policy: "Policy", org: "Organization", model: str | None, now: "Instant") -> "Iterator[dict[str, object]]":
    """Rules of its keys, and those that begin later."""
    from puyun.limits.policy import matches

    for rule in policy.rules:
        later = rule.starts is not None and rule.starts > now
        meant = (
            model is None
            or rule.model is None
            or any(matches(model, name) and matches(rule.model, name) for name in policy.models.values())
        )
        if rule.org == org.id and meant and (later or rule.key):
            yield shown.rule_row(rule)
