"""puyun key …"""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from puyun.identity.model import ApiKey
    from puyun.kit.clock import Instant

Key = Annotated[str, typer.Argument(metavar="KEY", help="Id (key_…), shown prefix, or the whole key.")]

key_app = typer.Typer(no_args_is_help=True, help="API keys: credentials of programs.")


@key_app.command("create")
def key_create(
    *,
    org: Annotated[str, typer.Option(help="Name or id of the organization that pays.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    tier: Annotated[str | None, typer.Option(help="Tier of its calls; flex, or what the organization has.")] = None,
    models: Annotated[str | None, typer.Option(help="Only these models, with commas between.")] = None,
    budget: Annotated[str | None, typer.Option(help="What it may spend in all, such as 5.00.")] = None,
    expires: Annotated[str | None, typer.Option(help="Date or time after which it is refused (UTC).")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="Only from this address or range; repeatable.")] = None,
    member: Annotated[str | None, typer.Option(help="E-mail address of the member it belongs to.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create a key and print its secret, once: only a hash is kept."""
    from puyun.catalog.model import Tier
    from puyun.identity.model import KeySpec
    from puyun.storage.keys.issuing import issue_key
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import key_entropy

    with opening.writing(data, config) as connection:
        organization = opening.organization(connection, org)
        usual = Tier.FLEX if Tier.FLEX in organization.tiers else organization.tiers[0]
        owner = None if member is None else opening.member(connection, organization, member)
        spec = KeySpec(
            tier=usual if tier is None else parsing.tier(tier),
            name=name,
            models=parsing.names(models),
            ips=tuple(ip or ()),
            budget=None if budget is None else parsing.amount(budget),
            expires_at=parsing.optional_instant(expires),
            member=owner,
        )
        now = SystemClock().now()
        issued = issue_key(connection, organization, spec, key_entropy(), now)
        described = _described(issued.key, organization.name, now)
    output.emit_one({"id": described["id"], "key": issued.secret} | described, as_json=as_json)
    output.say("The key is shown this once; only a hash of it is kept.")


@key_app.command("list")
def key_list(
    *,
    org: Annotated[str | None, typer.Option(help="Only of this organization.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keys with their restrictions and what they spent of their budgets."""
    from puyun.storage.identity import list_keys, list_organizations
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    with opening.reading(data, config) as connection:
        only = None if org is None else opening.organization(connection, org).id
        names = {organization.id: organization.name for organization in list_organizations(connection)}
        rows = [_described(key, names[key.org], now) for key in list_keys(connection, only)]
    columns = ("id", "prefix", "organization", "name", "tier", "status", "models", "budget", "spent", "expires")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


@key_app.command("rotate")
def key_rotate(
    key: Key,
    *,
    overlap: Annotated[str, typer.Option(help="How long the old key still works: now, 1h, 24h or 7d.")] = "24h",
    expires: Annotated[str | None, typer.Option(help="Date or time after which the new key is refused (UTC).")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a new key in the place of another: same settings and limits, and what is left of its budget.

    Without --expires the new key ends when the old one was to. Its secret is printed once.
    """
    from puyun.storage.identity import load_organization
    from puyun.storage.keys.issuing import OVERLAPS, Rotation, rotate_key
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import key_entropy

    if overlap not in OVERLAPS:
        raise usage(f"{overlap!r} is no overlap.", ", ".join(OVERLAPS))
    now = SystemClock().now()
    with opening.writing(data, config) as connection:
        old = opening.key(connection, key, "One command rotates one key.")
        organization = load_organization(connection, old.org)
        assert organization is not None
        until = parsing.optional_instant(expires)
        rotation = Rotation(overlap=OVERLAPS[overlap], expires_at=old.expires_at if until is None else until)
        issued = rotate_key(connection, organization, old, rotation, entropy=key_entropy(), now=now)
        described = _described(issued.key, organization.name, now)
    output.emit_one({"id": described["id"], "key": issued.secret} | described, as_json=as_json)
    output.say("The key is shown this once; only a hash of it is kept.")


@key_app.command("revoke")
def key_revoke(
    key: Key,
    *,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Refuse a key from now on; a running server follows within two seconds."""
    from puyun.storage.identity import load_organization, revoke_key
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    with opening.writing(data, config) as connection:
        found = opening.key(connection, key, "One command revokes one key.")
        revoked = revoke_key(connection, found.id, now)
        organization = load_organization(connection, revoked.org)
        described = _described(revoked, organization.name if organization else "", now)
    output.emit_one(described, as_json=as_json)


def _described(key: "ApiKey", organization: str, now: "Instant") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "id": format_id("key", key.id),
        "prefix": key.prefix,
        "organization": organization,
        "name": key.name,
        "tier": key.tier,
        "status": key.state(now),
        "models": list(key.models),
        "ips": list(key.ips),
        "budget": None if key.budget is None else format_amount(key.budget),
        "spent": None if key.budget is None else format_amount(key.spent),
        "expires": None if key.expires_at is None else format_instant(key.expires_at),
        "created": format_instant(key.created_at),
    }
