"""Who may make whom what in an organization. Pure; an owner always remains."""

from puyun.identity.access import Permission, may
from puyun.identity.model import Role
from puyun.kit.errors import PuyunError


def assignable(actor: Role) -> tuple[Role, ...]:
    """The roles that somebody may give and take: an owner all, an admin all but owner, others none."""
    if not may(actor, Permission.MANAGE_MEMBERS):
        return ()
    return tuple(role for role in Role if actor is Role.OWNER or role is not Role.OWNER)


def check_assign(actor: Role, role: Role) -> None:
    """Whether `actor` may invite somebody as `role`. Raises PuyunError `not_permitted` (403)."""
    if role not in assignable(actor):
        raise PuyunError("not_permitted", 403, f"As {actor} you cannot give or take the role {role}. Ask an owner.")


def check_change(actor: Role, before: Role, after: Role | None, owners: int) -> None:
    """Whether `before` may become `after`, None for leaving. Raises `not_permitted` (403) or `last_owner` (409)."""
    check_assign(actor, before)
    if after is not None:
        check_assign(actor, after)
    if before is Role.OWNER and after is not Role.OWNER and owners <= 1:
        raise PuyunError("last_owner", 409, "An organization needs an owner. Make somebody else an owner first.")
