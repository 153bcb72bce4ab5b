"""What the commands about limits take, and reading it: amounts, whose limit, from when to when."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, parsing
from puyun.cli.failure import usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from puyun.identity.model import Organization
    from puyun.kit.clock import Instant
    from puyun.limits.rule import Metric, Subject

Model = Annotated[
    str | None, typer.Option(help="Only this model, or each of a pattern such as gpt-*; all models together without.")
]
AtTier = Annotated[str | None, typer.Option("--tier", help="Only calls at this tier; all tiers together without.")]
OfKey = Annotated[str | None, typer.Option("--key", help="Only calls of this key: its id (key_…) or prefix.")]

Rpm = Annotated[str | None, typer.Option(help="Requests a minute.")]
Itpm = Annotated[str | None, typer.Option(help="Input tokens a minute, what comes from a cache aside.")]
Otpm = Annotated[str | None, typer.Option(help="Output tokens a minute.")]
Tpm = Annotated[str | None, typer.Option(help="Input and output tokens together, a minute.")]
Rpd = Annotated[str | None, typer.Option(help="Requests a day.")]
Tpd = Annotated[str | None, typer.Option(help="Input and output tokens together, a day.")]
InFlight = Annotated[str | None, typer.Option("--in-flight", help="Calls at a time.")]
Queued = Annotated[str | None, typer.Option(help="Calls that may wait for one in flight to end.")]
Burst = Annotated[int | None, typer.Option(help="Seconds of the rate that may come at once; as before without.")]

Start = Annotated[str | None, typer.Option("--from", help="When it begins (UTC); now by default.")]
End = Annotated[str | None, typer.Option("--to", help="When it ends (UTC); never by default.")]
Why = Annotated[str, typer.Option(help="Reason, kept with the limit and shown to the organization.")]
By = Annotated[str, typer.Option(help="Who changes it, kept with the limit.")]

_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
OPTIONS = "--rpm, --itpm, --otpm, --tpm, --rpd, --tpd, --in-flight or --queued"


def named(**options: str | None) -> dict[str, str]:
    """The options of metrics, by the metric's name, without those that were not given."""
    return {name: text for name, text in options.items() if text is not None}


def amounts(given: "Mapping[str, str]") -> "dict[Metric, int | None]":
    """By metric: `600`, `600k`, `5M`, or `none` for no limit."""
    from puyun.limits.rule import Metric

    return {Metric(name): _amount(text) for name, text in given.items()}


def _amount(text: str) -> int | None:
    return None if text == "none" else whole(text)


def whole(text: str) -> int:
    """`600`, `600k`, `5M`."""
    found = re.fullmatch(r"(\d{1,15})([kmg]?)", text.strip().replace("_", "").lower())
    if found is None:
        raise usage(f"{text!r} is no limit.", "a whole number such as 600, 600k or 5M, or `none` for no limit")
    return int(found[1]) * _SCALE[found[2]]


def metrics(names: "list[str] | None") -> "list[Metric]":
    from puyun.limits.rule import Metric

    known = {name.replace("_", "-"): name for name in Metric}
    for name in names or []:
        if name.replace("_", "-") not in known:
            raise usage(f"There is no limit {name!r}.", ", ".join(known))
    return [known[name.replace("_", "-")] for name in names or []]


def dates(start: str | None, end: str | None, now: "Instant") -> "tuple[Instant | None, Instant | None]":
    """A beginning that has passed is a slip: what was let through yesterday was let through."""
    begins, ends = parsing.optional_instant(start), parsing.optional_instant(end)
    for text, moment in ((start, begins), (end, ends)):
        if moment is not None and moment < now:
            raise usage(f"{text} has passed.", "a time to come")
    return begins, ends


def subject(
    connection: "Connection", org: str, *, model: str | None, tier: str | None, key: str | None
) -> "tuple[Organization, Subject]":
    """Whose limit it is, or exit 3."""
    from puyun.limits.rule import Subject

    found = opening.organization(connection, org)
    chosen = None if tier is None else parsing.tier(tier)
    number = None if key is None else opening.key(connection, key, "A limit belongs to one key.", found).id
    return found, Subject(org=found.id, key=number, tier=chosen, model=model)
