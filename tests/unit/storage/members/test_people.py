"""On each engine: who may change whom, what goes with somebody who leaves, and two owners who do it at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from puyun.catalog.model import Tier
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Membership, Organization, Role, User
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage import identity
from puyun.storage.engine import reading, writing
from puyun.storage.members.people import change_role, list_people, remove
from puyun.storage.sessions import open_session
from puyun.system.entropy import key_entropy, organization_id

NOW = Instant(1000 * DAY)


class Company:
    """Two organizations with people; each user is called by what they are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.org = self.organization("Engines")
        self.elsewhere = self.organization("Looms")

    def organization(self, name: str) -> Organization:
        with writing(self.engine) as connection:
            number = organization_id()
            return identity.create_organization(connection, name, org=number, tiers=list(Tier), currency="USD", now=NOW)

    def person(self, name: str, role: Role, *organizations: Organization) -> User:
        with writing(self.engine) as connection:
            user = identity.create_user(connection, f"{name}@example.com", "", now=NOW)
            for organization in organizations or (self.org,):
                identity.set_membership(connection, Membership(org=organization.id, user=user.id, role=role))
        return user

    def key(self, organization: Organization, member: int | None) -> int:
        with writing(self.engine) as connection:
            spec = KeySpec(tier=Tier.FLEX, member=member)
            return identity.create_key(connection, organization, spec, mint(key_entropy()), NOW).id

    def roles(self) -> dict[str, Role]:
        with reading(self.engine) as connection:
            return {person.email.partition("@")[0]: person.role for person in list_people(connection, self.org.id)}


@pytest.fixture
def company(engine: Engine) -> Company:
    return Company(engine)


def refusal(company: Company, actor: User, user: User, role: Role | None) -> str:
    try:
        with writing(company.engine) as connection:
            if role is None:
                remove(connection, company.org.id, user.id, actor=actor.id, now=NOW)
            else:
                change_role(connection, company.org.id, user.id, role, actor=actor.id)
    except PuyunError as error:
        return error.code
    return ""


def test_who_leaves_takes_their_own_keys_of_this_organization_and_no_others(company: Company) -> None:
    owner = company.person("owner", Role.OWNER)
    ada = company.person("ada", Role.MEMBER, company.org, company.elsewhere)
    own, shared = company.key(company.org, ada.id), company.key(company.org, None)
    far = company.key(company.elsewhere, ada.id)
    with writing(company.engine) as connection:
        assert remove(connection, company.org.id, ada.id, actor=owner.id, now=NOW) == 1
    with reading(company.engine) as connection:
        revoked = {key.id: key.revoked_at for key in identity.list_keys(connection)}
    assert revoked == {own: NOW, shared: None, far: None}
    assert company.roles() == {"owner": Role.OWNER}
    with reading(company.engine) as connection:
        assert [found.id for found, _ in identity.list_memberships(connection, ada.id)] == [company.elsewhere.id]


def test_what_is_refused_changes_nothing(company: Company) -> None:
    owner, admin = company.person("owner", Role.OWNER), company.person("admin", Role.ADMIN)
    member, stranger = company.person("member", Role.MEMBER), company.person("far", Role.OWNER, company.elsewhere)
    before = company.roles()
    assert refusal(company, owner, owner, Role.ADMIN) == "last_owner"
    assert refusal(company, owner, owner, None) == "last_owner"
    assert refusal(company, admin, owner, None) == "not_permitted"
    assert refusal(company, admin, admin, Role.OWNER) == "not_permitted"
    assert refusal(company, member, member, Role.ADMIN) == "not_permitted"
    assert refusal(company, stranger, member, None) == "not_permitted"
    assert refusal(company, owner, stranger, Role.MEMBER) == "member_not_found"
    assert company.roles() == before


def test_of_two_owners_who_take_the_role_from_each_other_one_remains(company: Company) -> None:
    ada, bob = company.person("ada", Role.OWNER), company.person("bob", Role.OWNER)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: refusal(company, *pair, Role.MEMBER), ((ada, bob), (bob, ada))))
    assert sorted(answers) == ["", "not_permitted"]
    assert sorted(company.roles().values()) == [Role.MEMBER, Role.OWNER]


def test_billing_is_a_role_that_is_kept(company: Company) -> None:
    owner, bob = company.person("owner", Role.OWNER), company.person("bob", Role.MEMBER)
    assert refusal(company, owner, bob, Role.BILLING) == ""
    assert company.roles()["bob"] is Role.BILLING


def test_the_list_says_when_somebody_was_seen(company: Company) -> None:
    owner = company.person("owner", Role.OWNER)
    company.person("bob", Role.MEMBER)
    with writing(company.engine) as connection:
        open_session(connection, b"1", owner.id, agent="", now=NOW)
        open_session(connection, b"2", owner.id, agent="", now=Instant(NOW + DAY))
    with reading(company.engine) as connection:
        assert [person.seen_at for person in list_people(connection, company.org.id)] == [None, NOW + DAY]
