"""Who may make whom what."""

import pytest

from puyun.identity.members import assignable, check_change
from puyun.identity.model import Role
from puyun.kit.errors import PuyunError

OWNER, ADMIN, MEMBER, VIEWER, BILLING = Role


def test_only_owners_and_admins_give_roles() -> None:
    assert assignable(OWNER) == tuple(Role)
    assert OWNER not in assignable(ADMIN)
    assert len(assignable(ADMIN)) == len(Role) - 1
    assert [assignable(role) for role in (MEMBER, VIEWER, BILLING)] == [(), (), ()]


@pytest.mark.parametrize(
    ("actor", "before", "after", "owners", "code"),
    [
        (OWNER, OWNER, ADMIN, 1, "last_owner"),
        (OWNER, OWNER, None, 1, "last_owner"),
        (ADMIN, OWNER, MEMBER, 2, "not_permitted"),
        (ADMIN, OWNER, None, 2, "not_permitted"),
        (ADMIN, ADMIN, OWNER, 1, "not_permitted"),
        (MEMBER, VIEWER, MEMBER, 1, "not_permitted"),
        (BILLING, BILLING, None, 1, "not_permitted"),
    ],
)
def test_what_is_refused(actor: Role, before: Role, after: Role | None, owners: int, code: str) -> None:
    with pytest.raises(PuyunError) as refused:
        check_change(actor, before, after, owners)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("actor", "before", "after", "owners"),
    [(OWNER, OWNER, ADMIN, 2), (OWNER, OWNER, OWNER, 1), (OWNER, MEMBER, OWNER, 1), (ADMIN, ADMIN, None, 1)],
)
def test_what_is_let_through(actor: Role, before: Role, after: Role | None, owners: int) -> None:
    check_change(actor, before, after, owners)
