"""puyun limits set, unset, default, history: the rule book, row by row."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.limits import shown, typed
from puyun.cli.limits.typed import (
    AtTier,
    Burst,
    By,
    End,
    InFlight,
    Itpm,
    Model,
    OfKey,
    Otpm,
    Queued,
    Rpd,
    Rpm,
    Start,
    Tpd,
    Tpm,
    Why,
)
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from puyun.kit.clock import Instant
    from puyun.limits.policy import Policy
    from puyun.limits.rule import Metric, Rule, Subject

limits_app = typer.Typer(
    no_args_is_help=True, help="Limits: what organizations may ask for at a time and by the minute."
)

Metrics = Annotated[
    list[str] | None, typer.Argument(metavar="METRIC…", help="rpm, itpm, otpm, tpm, rpd, tpd, in-flight, queued; all.")
]


@limits_app.command("set")
def limits_set(
    org: Org,
    *,
    model: Model = None,
    tier: AtTier = None,
    key: OfKey = None,
    rpm: Rpm = None,
    itpm: Itpm = None,
    otpm: Otpm = None,
    tpm: Tpm = None,
    rpd: Rpd = None,
    tpd: Tpd = None,
    in_flight: InFlight = None,
    queued: Queued = None,
    burst: Burst = None,
    start: Start = None,
    end: End = None,
    why: Why = "",
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give an organization limits of its own; a running server follows within two seconds.

    They lie over those that were set before, and over the tier's: what is more specific wins, of equals the later. With
    --to, what was in force comes back by itself. Amounts are such as 600, 600k, 5M, or `none` for no limit.
    """
    from puyun.storage.limits.rules import Change, set_limits
    from puyun.system.clock import SystemClock

    given = typed.named(rpm=rpm, itpm=itpm, otpm=otpm, tpm=tpm, rpd=rpd, tpd=tpd, in_flight=in_flight, queued=queued)
    wanted = _wanted(given, burst)
    now = SystemClock().now()
    starts, ends = typed.dates(start, end, now)
    change = Change(by=by, why=why, starts=starts, ends=ends)
    with opening.writing(data, config) as connection:
        _, subject = typed.subject(connection, org, model=model, tier=tier, key=key)
        rules = set_limits(connection, subject, wanted, change, burst=burst, now=now)
    output.emit([shown.rule_row(rule) for rule in rules], shown.columns(shown.RULE), as_json=as_json)


@limits_app.command("unset")
def limits_unset(
    org: Org,
    metrics: Metrics = None,
    *,
    model: Model = None,
    tier: AtTier = None,
    key: OfKey = None,
    why: Why = "",
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End limits that were set for just this organization, model, tier and key; those to come too.

    What is less specific is in force again. Nothing is deleted: `puyun limits history` has them.
    """
    from puyun.storage.limits.rules import Change, end_limits
    from puyun.system.clock import SystemClock

    chosen = typed.metrics(metrics)
    with opening.writing(data, config) as connection:
        _, subject = typed.subject(connection, org, model=model, tier=tier, key=key)
        rows = end_limits(connection, subject, chosen, Change(by=by, why=why), now=SystemClock().now())
    output.emit([shown.history_row(row) for row in rows], shown.columns(shown.HISTORY), as_json=as_json)


@limits_app.command("default")
def limits_default(
    tier: Annotated[str | None, typer.Argument(metavar="TIER", help="test, flex, enterprise, or ip.")] = None,
    *,
    model: Model = None,
    rpm: Rpm = None,
    itpm: Itpm = None,
    otpm: Otpm = None,
    tpm: Tpm = None,
    rpd: Rpd = None,
    tpd: Tpd = None,
    in_flight: InFlight = None,
    queued: Queued = None,
    burst: Burst = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to what the program came with.")] = False,
    start: Start = None,
    end: End = None,
    why: Why = "",
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what each tier may do, or change it for all who have no limits of their own.

    `ip` is every network address by itself, IPv6 by its /64, whoever calls from there.
    """
    from puyun.storage.limits.rules import Change, end_limits, load_policy, set_limits
    from puyun.system.clock import SystemClock

    given = typed.named(rpm=rpm, itpm=itpm, otpm=otpm, tpm=tpm, rpd=rpd, tpd=tpd, in_flight=in_flight, queued=queued)
    tier = tier if tier is None or tier == "ip" else parsing.tier(tier)
    now = SystemClock().now()
    if given or reset:
        if reset and given:
            raise usage("Limits are either set or reset.", f"--reset alone, or {typed.OPTIONS}")
        subject = _tier_subject(tier, model)
        wanted = {} if reset else _wanted(given, burst)
        starts, ends = typed.dates(start, end, now)
        change = Change(by=by, why=why, starts=starts, ends=ends)
        with opening.writing(data, config) as connection:
            if reset:
                end_limits(connection, subject, [], change, now=now)
            else:
                set_limits(connection, subject, wanted, change, burst=burst, now=now)
    with opening.reading(data, config) as connection:
        policy = load_policy(connection, now)
    rows = [shown.rule_row(rule) for rule in _in_force(policy, tier, now)]
    names = ("tier", "models", "metric", "limit", "burst", "source", "from", "until", "why")
    output.emit(rows, shown.columns(names), as_json=as_json)


@limits_app.command("history")
def limits_history(
    org: Annotated[str | None, typer.Argument(metavar="ORG", help="Name or id; the tiers' own limits without.")] = None,
    *,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Every limit that was ever set, by whom and why, and how it ended."""
    from puyun.storage.limits.rules import list_limits

    with opening.reading(data, config) as connection:
        number = None if org is None else opening.organization(connection, org).id
        rows = [shown.history_row(row) for row in list_limits(connection, number)]
    output.emit(rows, shown.columns(shown.HISTORY), as_json=as_json)


def _wanted(given: "Mapping[str, str]", burst: int | None) -> "dict[Metric, int | None]":
    from puyun.limits.rule import AT_A_TIME

    wanted = typed.amounts(given)
    if not wanted:
        raise usage("There is nothing to set.", typed.OPTIONS)
    if burst is not None and not set(wanted) - AT_A_TIME:
        raise usage("A burst belongs to a rate.", "--burst with --rpm, --itpm, --otpm, --tpm, --rpd or --tpd")
    return wanted


def _tier_subject(tier: str | None, model: str | None) -> "Subject":
    from puyun.limits.rule import Subject

    if tier is None:
        raise usage("Whose limits?", "test, flex, enterprise or ip")
    if tier != "ip":
        return Subject(tier=parsing.tier(tier), model=model)
    if model is not None:
        raise usage("Network addresses have no models.", "ip without --model")
    return Subject()


def _in_force(policy: "Policy", tier: str | None, now: "Instant") -> "Iterator[Rule]":
    """Rules for tiers and addresses as they are in force, then those of single models, then those to come."""
    from puyun.catalog.model import TIERS
    from puyun.limits.rule import Scope

    for each in TIERS:
        if tier in {None, each}:
            yield from (rules[0] for rules in policy.effective(0, 0, 0, each, now).values())
            own = [rule for rule in policy.rules if rule.scope is Scope.TIER_MODEL and rule.tier is each]
            last = {(rule.model, rule.metric): rule for rule in own if not _later(rule, now)}
            yield from last.values()
            yield from (rule for rule in policy.rules if not rule.org and rule.tier is each and _later(rule, now))
    if tier in {None, "ip"}:
        yield from policy.of_address(now).values()
        yield from (rule for rule in policy.rules if rule.scope is Scope.IP and _later(rule, now))


def _later(rule: "Rule", now: "Instant") -> bool:
    return rule.starts is not None and rule.starts > now
