"""puyun org …, puyun user …"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import Exit, Failure, not_found, usage
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.identity.model import Organization
    from puyun.storage.wallets import WalletRow

org_app = typer.Typer(no_args_is_help=True, help="Organizations: who pays.")
user_app = typer.Typer(no_args_is_help=True, help="People who sign in.")

Tiers = Annotated[str | None, typer.Option(help="Tiers its keys may use, with commas between.")]

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")]

ALL_TIERS = "test,flex,enterprise"


@org_app.command("create")
def org_create(
    name: Annotated[str, typer.Argument(help="A name that no other organization has.")],
    *,
    tiers: Tiers = ALL_TIERS,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code of its wallet; brand.currency by default.")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create an organization with an empty wallet."""
    from puyun.storage.identity import create_organization
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import organization_id

    currency = currency or opening.settings(data, config).brand.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise usage(f"{currency!r} is no currency.", "an ISO 4217 code such as USD")
    from puyun.storage.wallets import load_wallet

    with opening.writing(data, config, create=True) as connection:
        org = create_organization(
            connection,
            name,
            org=organization_id(),
            tiers=parsing.tiers(tiers or ALL_TIERS),
            currency=currency,
            now=SystemClock().now(),
        )
        wallet = load_wallet(connection, org.id)
    output.emit_one(_described(org, wallet), as_json=as_json)


@org_app.command("list")
def org_list(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """All organizations with their balances."""
    from puyun.storage.identity import list_organizations
    from puyun.storage.wallets import list_wallets

    with opening.reading(data, config) as connection:
        wallets = list_wallets(connection)
        rows = [_described(org, wallets[org.id]) for org in list_organizations(connection)]
    columns = ("id", "name", "status", "tiers", "currency", "balance", "available")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


@org_app.command("show")
def org_show(org: Org, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """One organization with its wallet, members and keys."""
    from puyun.storage.identity import list_keys, list_members
    from puyun.storage.wallets import load_wallet

    with opening.reading(data, config) as connection:
        found = opening.organization(connection, org)
        members = [{"email": user.email, "role": role} for user, role in list_members(connection, found.id)]
        keys = sum(key.revoked_at is None for key in list_keys(connection, found.id))
        wallet = load_wallet(connection, found.id)
    output.emit_one(_described(found, wallet) | {"members": members, "keys": keys}, as_json=as_json)


@org_app.command("set")
def org_set(
    org: Org,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    tiers: Tiers = None,
    status: Annotated[str | None, typer.Option(help="active or suspended; a suspended one is served nothing.")] = None,
    credit_limit: Annotated[str | None, typer.Option(help="How far it may go below zero, such as 100.00.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Change an organization; a running server follows within seconds."""
    from puyun.identity.model import OrganizationStatus
    from puyun.storage.identity import set_organization
    from puyun.storage.wallets import load_wallet, set_credit_limit

    if status not in {None, *OrganizationStatus}:
        raise usage(f"There is no status {status!r}.", "active or suspended")
    if name is tiers is status is credit_limit is None:
        raise usage("There is nothing to change.", "--name, --tiers, --status or --credit-limit")
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        if credit_limit is not None:
            set_credit_limit(connection, found.id, parsing.amount(credit_limit))
        found = set_organization(
            connection,
            found.id,
            name=name,
            tiers=None if tiers is None else parsing.tiers(tiers),
            status=None if status is None else OrganizationStatus(status),
        )
        wallet = load_wallet(connection, found.id)
    output.emit_one(_described(found, wallet), as_json=as_json)


def _described(org: "Organization", wallet: "WalletRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "id": format_id("org", org.id),
        "name": org.name,
        "status": org.status,
        "tiers": list(org.tiers),
        "currency": wallet.currency,
        "balance": format_amount(wallet.balance),
        "held": format_amount(wallet.held),
        "available": format_amount(wallet.available),
        "credit_limit": format_amount(wallet.credit_limit),
        "created": format_instant(org.created_at),
    }


@user_app.command("create")
def user_create(
    email: Annotated[str, typer.Argument(help="Address to sign in with.")],
    *,
    org: Annotated[str | None, typer.Option(help="Organization to join.")] = None,
    role: Annotated[str, typer.Option(help="owner, admin, member, viewer or billing.")] = "owner",
    operator: Annotated[bool, typer.Option("--operator", help="Runs the platform: may enter the admin pages.")] = False,
    password_stdin: FromStdin = False,
    generate: Generate = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create a person, or let one that exists join another organization. The password is asked for on a terminal."""
    from puyun.identity.model import Membership, Role
    from puyun.storage.identity import create_user, find_user, set_membership
    from puyun.system.clock import SystemClock

    if role not in set(Role):
        raise usage(f"There is no role {role!r}.", "owner, admin, member, viewer or billing")
    if org is None and not operator:
        raise usage("A user needs an organization.", "--org ORG, or --operator for somebody who runs the platform")
    with opening.reading(data, config) as connection:
        user = find_user(connection, email)
    created = user is None
    hashed, shown = _password(from_stdin=password_stdin, generate=generate) if created else ("", {})
    with opening.writing(data, config) as connection:
        if user is None:
            user = create_user(connection, email, hashed, now=SystemClock().now(), operator=operator)
        joined = None if org is None else opening.organization(connection, org)
        if joined is not None:
            set_membership(connection, Membership(org=joined.id, user=user.id, role=Role(role)))
    described = {
        "email": user.email,
        "organization": joined.name if joined else None,
        "role": role if joined else None,
        "operator": user.operator,
        "created": created,
    }
    output.emit_one(described | shown, as_json=as_json)


@user_app.command("password")
def user_password(
    email: Annotated[str, typer.Argument(help="Address of the person.")],
    *,
    password_stdin: FromStdin = False,
    generate: Generate = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set a new password, and end every session of the person."""
    from puyun.storage.identity import find_user, set_password_hash

    with opening.reading(data, config) as connection:
        user = find_user(connection, email)
    if user is None:
        raise not_found("user", email, "puyun user create EMAIL --org ORG")
    hashed, shown = _password(from_stdin=password_stdin, generate=generate)
    with opening.writing(data, config) as connection:
        set_password_hash(connection, user.id, hashed)
    output.emit_one({"email": user.email} | shown, as_json=as_json)


@user_app.command("reset")
def user_reset(
    email: Annotated[str, typer.Argument(help="Address of the person.")],
    *,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a link by which the person sets a new password, once, within an hour. The one before it ends."""
    from puyun.kit.clock import format_instant
    from puyun.storage.identity import find_user
    from puyun.storage.security.acts import Kind, record
    from puyun.storage.security.links import Purpose, make_link
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import link_secret

    settings, now, secret = opening.settings(data, config), SystemClock().now(), link_secret()
    with opening.writing(data, config) as connection:
        user = find_user(connection, email)
        if user is None:
            raise not_found("user", email, "puyun user create EMAIL --org ORG")
        ends = make_link(connection, user.id, Purpose.RESET, secret, now)
        record(connection, Kind.RESET_LINK, at=now, actor=None, user=user.id)
    begin = settings.mail.links or f"http://{settings.server.host}:{settings.server.port}"
    output.emit_one(
        {"email": user.email, "link": f"{begin}/reset/{secret}", "until": format_instant(ends)}, as_json=as_json
    )


def _password(*, from_stdin: bool, generate: bool) -> tuple[str, dict[str, object]]:
    """The hash of the password, and what to print of it: nothing unless we made it."""
    from puyun.system.entropy import password
    from puyun.system.passwords import hash_password

    shown: dict[str, object] = {}
    if from_stdin:
        chosen = sys.stdin.readline().rstrip("\r\n")
    elif generate or not sys.stdin.isatty():
        chosen = password()
        shown = {"password": chosen}
    else:
        chosen = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        return hash_password(chosen), shown
    except ValueError as error:
        why = "Length is what makes a password hard to guess."
        raise Failure(f"{error}.", why, "Choose another.", Exit.USAGE) from error
