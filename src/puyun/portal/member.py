"""Who looks at the portal, and which organization they look at."""

from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request

from puyun.identity.access import Permission, may
from puyun.identity.model import Organization, Role, User
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.storage.engine import reading
from puyun.storage.identity import list_members, list_memberships
from puyun.storage.signup.calls import has_called
from puyun.storage.signup.verifying import is_verified
from puyun.web import csrf
from puyun.web.session import session_secret
from puyun.web.site import Site


class Member(msgspec.Struct, frozen=True):
    """A signed-in user in one of their organizations. `called`: whether it has had a call yet; `unverified`: whether
    their address is to be verified first.
    """

    user: User
    organization: Organization
    role: Role
    others: list[Organization]
    called: bool
    unverified: bool = False

    @property
    def org_id(self) -> str:
        return format_id("org", self.organization.id)

    @property
    def org(self) -> str:
        """How addresses name the organization; empty where there is no other."""
        return self.org_id if self.others else ""

    @property
    def user_id(self) -> str:
        """How rows name who did something: they outlive an address."""
        return format_id("user", self.user.id)

    @property
    def query(self) -> str:
        """What an address needs to lead to this organization; nothing where there is no other."""
        return self.href("")

    def href(self, path: str, **said: str) -> str:
        """An address that leads to this organization; empty values are left out."""
        shown = urlencode({name: value for name, value in ({"org": self.org} | said).items() if value})
        return f"{path}?{shown}" if shown else path

    def may(self, permission: str) -> bool:
        return may(self.role, Permission(permission))


class NoOrganizationError(PuyunError):
    """The user belongs to no organization."""

    def __init__(self) -> None:
        super().__init__(
            "no_organization", 403, "You belong to no organization yet. Ask the operator to add you to one."
        )


def member_of(site: Site, request: Request, permission: Permission) -> Member:
    """The organization named by `?org=`, else the first by name. Raises SignInNeededError, NoOrganizationError,
    `organization_not_found` (404, also when it is somebody else's) or `not_permitted` (403).
    """
    user = site.sessions.user(request)
    with reading(site.engine) as connection:
        memberships = list_memberships(connection, user.id)
    if not memberships:
        raise NoOrganizationError
    wanted = request.query_params.get("org", "")
    chosen = [pair for pair in memberships if not wanted or format_id("org", pair[0].id) == wanted]
    if not chosen:
        raise PuyunError("organization_not_found", 404, "You are not a member of such an organization.")
    organization, role = chosen[0]
    if not may(role, permission):
        raise PuyunError("not_permitted", 403, f"As {role} of {organization.name} you may not see this page.")
    with reading(site.engine) as connection:
        called = has_called(connection, organization.id)
        unverified = site.verify and not is_verified(connection, user.id)
    others = [other for other, _ in memberships if other.id != organization.id]
    return Member(user, organization, role, others, called, unverified)


def check_verified(member: Member) -> None:
    """Before what strangers could suffer from: keys, and letters to others. Raises PuyunError `email_unverified` (403)."""
    if member.unverified:
        message = f"Verify your address first: follow the link in the letter to {member.user.email}."
        raise PuyunError("email_unverified", 403, message)


def name_of(connection: Connection, member: Member, user_id: str) -> str:
    """The address of who is a member still; else the id."""
    people = {format_id("user", user.id): user.email for user, _ in list_members(connection, member.organization.id)}
    return people.get(user_id, user_id)


def posting_member(site: Site, request: Request, form: dict[str, str], permission: Permission) -> Member:
    """Who sent a form of ours. Raises what `member_of` and `csrf.check` raise."""
    member = member_of(site, request, permission)
    csrf.check(request, form, session_secret(request))
    return member
