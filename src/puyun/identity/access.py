"""Role x permission. The table is the rule; nothing else grants anything."""

from enum import StrEnum

from puyun.identity.model import ApiKey, Role


class Permission(StrEnum):
    """What can be done with an organization's own things."""

    SEE_USAGE = "see_usage"
    SEE_BILLING = "see_billing"
    MANAGE_OWN_KEYS = "manage_own_keys"
    MANAGE_KEYS = "manage_keys"
    MANAGE_MEMBERS = "manage_members"
    TOP_UP = "top_up"
    CLOSE = "close"


_VIEW = frozenset({Permission.SEE_USAGE})
_MEMBER = _VIEW | {Permission.MANAGE_OWN_KEYS}
_ADMIN = _MEMBER | {Permission.SEE_BILLING, Permission.MANAGE_KEYS, Permission.MANAGE_MEMBERS, Permission.TOP_UP}

ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEW,
    Role.BILLING: _VIEW | {Permission.SEE_BILLING, Permission.TOP_UP},
    Role.MEMBER: _MEMBER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _ADMIN | {Permission.CLOSE},
}


def may(role: Role, permission: Permission) -> bool:
    return permission in ALLOWED[role]


def may_change(role: Role, user: int, key: ApiKey) -> bool:
    """Whether a member may rotate and revoke a key: any one, or only their own."""
    own = key.member == user and may(role, Permission.MANAGE_OWN_KEYS)
    return own or may(role, Permission.MANAGE_KEYS)
