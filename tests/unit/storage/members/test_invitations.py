"""On each engine: a link works once, for whom it was written, for a week, as long as who wrote it may."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from puyun.catalog.model import Tier
from puyun.identity.model import Membership, Organization, Role, User
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage import identity
from puyun.storage.engine import reading, writing
from puyun.storage.members import invitations
from puyun.storage.members.invitations import LIFETIME, Invitation
from puyun.storage.members.people import change_role, remove
from puyun.system.entropy import organization_id

NOW = Instant(1000 * DAY)
BOB = "bob@example.com"


@pytest.fixture
def org(engine: Engine) -> Organization:
    with writing(engine) as connection:
        number = organization_id()
        return identity.create_organization(
            connection, "Engines", org=number, tiers=[Tier.FLEX], currency="USD", now=NOW
        )


@pytest.fixture
def owner(engine: Engine, org: Organization) -> User:
    return person(engine, org, "owner@example.com", Role.OWNER)


@pytest.fixture
def bob(engine: Engine) -> User:
    with writing(engine) as connection:
        return identity.create_user(connection, BOB, "", now=NOW)


def person(engine: Engine, org: Organization, email: str, role: Role) -> User:
    with writing(engine) as connection:
        user = identity.create_user(connection, email, "", now=NOW)
        identity.set_membership(connection, Membership(org=org.id, user=user.id, role=role))
    return user


def invite(engine: Engine, actor: User, org: Organization, secret: str = "s1", role: Role = Role.MEMBER) -> Invitation:
    with writing(engine) as connection:
        return invitations.invite(connection, org.id, BOB, role, secret=secret, actor=actor.id, now=NOW)


def answer(engine: Engine, user: User, secret: str = "s1", at: int = NOW) -> str:
    try:
        with writing(engine) as connection:
            invitations.accept(connection, secret, user.id, user.email, Instant(at))
    except PuyunError as error:
        return error.code
    return ""


def roles(engine: Engine, user: User) -> list[Role]:
    with reading(engine) as connection:
        return [role for _, role in identity.list_memberships(connection, user.id)]


def test_a_link_works_once_also_for_many_at_once(engine: Engine, org: Organization, owner: User, bob: User) -> None:
    invite(engine, owner, org)
    with ThreadPoolExecutor(3) as pool:
        answers = sorted(pool.map(lambda _: answer(engine, bob), range(3)))
    assert answers == ["", "invitation_ended", "invitation_ended"]
    assert roles(engine, bob) == [Role.MEMBER]


def test_a_link_of_another_or_too_old_or_replaced_opens_nothing(
    engine: Engine, org: Organization, owner: User, bob: User
) -> None:
    invite(engine, owner, org)
    eve = person(engine, org, "eve@example.com", Role.VIEWER)
    assert answer(engine, eve) == "invitation_of_another"
    assert answer(engine, bob, at=NOW + LIFETIME) == "invitation_ended"
    assert answer(engine, bob, "guess") == "invitation_ended"
    invite(engine, owner, org, "s2")
    assert answer(engine, bob, "s1") == "invitation_ended"
    assert roles(engine, bob) == []
    assert answer(engine, bob, "s2", NOW + LIFETIME - 1) == ""


def test_a_withdrawn_link_opens_nothing(engine: Engine, org: Organization, owner: User, bob: User) -> None:
    made = invite(engine, owner, org)
    with writing(engine) as connection:
        invitations.withdraw(connection, org.id, made.id, actor=owner.id)
    assert answer(engine, bob) == "invitation_ended"


@pytest.mark.parametrize("gone", [True, False])
def test_what_somebody_wrote_ends_with_their_role(
    engine: Engine, org: Organization, owner: User, bob: User, gone: bool
) -> None:
    admin = person(engine, org, "admin@example.com", Role.ADMIN)
    invite(engine, admin, org)
    with writing(engine) as connection:
        if gone:
            remove(connection, org.id, admin.id, actor=owner.id, now=NOW)
        else:
            change_role(connection, org.id, admin.id, Role.VIEWER, actor=owner.id)
    assert answer(engine, bob) == "invitation_ended"


def test_an_admin_cannot_invite_an_owner_nor_a_viewer_anybody(engine: Engine, org: Organization, owner: User) -> None:
    admin = person(engine, org, "admin@example.com", Role.ADMIN)
    viewer = person(engine, org, "viewer@example.com", Role.VIEWER)
    made = invite(engine, owner, org, role=Role.OWNER)
    for actor, role in ((admin, Role.OWNER), (viewer, Role.VIEWER)):
        with pytest.raises(PuyunError, match=r"As|may no longer"):
            invite(engine, actor, org, role=role)
    with pytest.raises(PuyunError, match="As admin"), writing(engine) as connection:
        invitations.withdraw(connection, org.id, made.id, actor=admin.id)


def test_accepting_takes_no_role_away(engine: Engine, org: Organization, owner: User, bob: User) -> None:
    invite(engine, owner, org, role=Role.VIEWER)
    with writing(engine) as connection:
        identity.set_membership(connection, Membership(org=org.id, user=bob.id, role=Role.OWNER))
    assert answer(engine, bob) == ""
    assert roles(engine, bob) == [Role.OWNER]


def test_who_is_a_member_is_not_invited(engine: Engine, org: Organization, owner: User, bob: User) -> None:
    with writing(engine) as connection:
        identity.set_membership(connection, Membership(org=org.id, user=bob.id, role=Role.VIEWER))
    with pytest.raises(PuyunError) as refused:
        invite(engine, owner, org)
    assert refused.value.code == "member_exists"
