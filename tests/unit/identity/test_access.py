import pytest

from puyun.identity.access import ALLOWED, Permission, may
from puyun.identity.model import Role

TABLE = """
                  viewer billing member admin owner
see_usage         yes    yes     yes    yes   yes
see_billing       no     yes     no     yes   yes
manage_own_keys   no     no      yes    yes   yes
manage_keys       no     no      no     yes   yes
manage_members    no     no      no     yes   yes
top_up            no     yes     no     yes   yes
close             no     no      no     no    yes
"""


def cells() -> list[tuple[Role, Permission, bool]]:
    head, *rows = TABLE.strip().splitlines()
    roles = [Role(name) for name in head.split()]
    return [
        (role, Permission(row.split()[0]), answer == "yes")
        for row in rows
        for role, answer in zip(roles, row.split()[1:], strict=True)
    ]


@pytest.mark.parametrize(("role", "permission", "allowed"), cells())
def test_the_table(role: Role, permission: Permission, allowed: bool) -> None:
    assert may(role, permission) is allowed


def test_the_table_above_is_complete() -> None:
    assert len(cells()) == len(Role) * len(Permission)
    assert set(ALLOWED) == set(Role)
