import pytest
from sqlalchemy import Connection, Engine, insert, select

from puyun.catalog.model import TIERS, Tier
from puyun.identity.keys import ENTROPY_BYTES, fingerprint, mint
from puyun.identity.model import KeySpec, Membership, OrganizationStatus, Role
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.storage import identity, schema
from puyun.storage.budgets import tables
from puyun.storage.engine import reading, writing

NOW = Instant(1_700_000_000_000_000)
SECRET = mint(bytes(range(ENTROPY_BYTES)))
OTHER = mint(bytes(ENTROPY_BYTES))


def acme(connection: Connection, org: int = 7, name: str = "acme") -> identity.Organization:
    return identity.create_organization(connection, name, org=org, tiers=TIERS, currency="USD", now=NOW)


def revision(connection: Connection) -> int:
    return connection.execute(select(schema.revision.c.value).where(schema.revision.c.name == "identity")).scalar_one()


def test_an_organization_is_found_by_name_and_id_and_has_a_wallet(engine: Engine) -> None:
    with writing(engine) as connection:
        made = acme(connection)
    with reading(engine) as connection:
        assert identity.find_organization(connection, "acme") == made
        assert identity.find_organization(connection, format_id("org", 7)) == made
        assert identity.load_organization(connection, 7) == made
        assert identity.list_organizations(connection) == [made]
        assert identity.find_organization(connection, "nobody") is None
        assert connection.execute(select(schema.wallet.c.currency).where(schema.wallet.c.org == 7)).scalar() == "USD"
        assert made.revision == revision(connection) == 1


@pytest.mark.parametrize(("org", "name"), [(8, "acme"), (7, "other")])
def test_a_name_or_number_is_given_once(engine: Engine, org: int, name: str) -> None:
    with writing(engine) as connection:
        acme(connection)
    with pytest.raises(PuyunError) as refused, writing(engine) as connection:
        acme(connection, org, name)
    assert refused.value.code == "organization_exists"


def test_changes_of_an_organization_are_counted(engine: Engine) -> None:
    with writing(engine) as connection:
        acme(connection)
        acme(connection, 8, "other")
        changed = identity.set_organization(
            connection, 7, name="acme2", tiers=(Tier.FLEX,), status=OrganizationStatus.SUSPENDED
        )
        assert (changed.name, changed.tiers, changed.status, changed.revision) == (
            "acme2",
            (Tier.FLEX,),
            "suspended",
            3,
        )
        for changes, code in (({"name": "other"}, "organization_exists"), ({"tiers": ()}, "invalid_tiers")):
            with pytest.raises(PuyunError) as refused:
                identity.set_organization(connection, 7, **changes)
            assert refused.value.code == code
        with pytest.raises(PuyunError, match="no such organization"):
            identity.set_organization(connection, 99, name="x")


def test_people_and_roles(engine: Engine) -> None:
    with writing(engine) as connection:
        org = acme(connection)
        ada = identity.create_user(connection, "Ada@example.com", "hash", now=NOW, operator=True)
        assert identity.find_user(connection, "ADA@example.com") == ada
        assert identity.password_hash(connection, ada.id) == "hash"
        with pytest.raises(PuyunError) as refused:
            identity.create_user(connection, "ada@example.com", "", now=NOW)
        assert refused.value.code == "user_exists"
        identity.set_membership(connection, Membership(org=7, user=ada.id, role=Role.MEMBER))
        identity.set_membership(connection, Membership(org=7, user=ada.id, role=Role.OWNER))
        assert identity.list_memberships(connection, ada.id) == [(org, Role.OWNER)]
        assert identity.list_members(connection, 7) == [(ada, Role.OWNER)]


def test_a_new_password_ends_the_sessions(engine: Engine) -> None:
    with writing(engine) as connection:
        ada = identity.create_user(connection, "ada@example.com", "old", now=NOW)
        row = {"hash": b"x", "user": ada.id, "created_at": NOW, "seen_at": NOW, "expires_at": NOW + 1}
        connection.execute(insert(schema.session).values(row))
        identity.set_password_hash(connection, ada.id, "new")
        assert identity.password_hash(connection, ada.id) == "new"
        assert connection.execute(select(schema.session)).first() is None


def test_a_key_is_stored_as_a_hash_with_its_restrictions(engine: Engine) -> None:
    with writing(engine) as connection:
        org = acme(connection)
        row = {"name": "m", "kind": "chat", "context_length": 10}
        connection.execute(insert(schema.model).values(row))
        spec = KeySpec(
            tier=Tier.FLEX, name="ci", models=("m",), ips=("10.0.0.0/8",), budget=5, expires_at=Instant(NOW + 1)
        )
        key = identity.create_key(connection, org, spec, SECRET, NOW)
        assert (key.tier, key.name, key.models, key.ips, key.budget, key.spent) == (
            "flex",
            "ci",
            ("m",),
            ("10.0.0.0/8",),
            5,
            0,
        )
        assert key.revision == revision(connection)
        stored = connection.execute(select(schema.api_key)).one()
        assert stored.hash == fingerprint(SECRET)
        assert not any(SECRET in str(value) for value in stored)
        assert identity.find_keys(connection, SECRET) == [key]
        assert identity.find_keys(connection, format_id("key", key.id)) == [key]
        assert identity.find_keys(connection, SECRET[:13]) == [key]
        assert identity.find_keys(connection, OTHER) == []


def test_a_key_without_a_budget_has_no_row_that_calls_would_have_to_touch(engine: Engine) -> None:
    with writing(engine) as connection:
        key = identity.create_key(connection, acme(connection), KeySpec(tier=Tier.TEST), SECRET, NOW)
        assert key.budget is None
        assert connection.execute(select(tables.budget)).first() is None


def test_revoking_is_counted_and_keeps_the_first_time(engine: Engine) -> None:
    with writing(engine) as connection:
        key = identity.create_key(connection, acme(connection), KeySpec(tier=Tier.TEST), SECRET, NOW)
        identity.revoke_key(connection, key.id, Instant(NOW + 5))
        again = identity.revoke_key(connection, key.id, Instant(NOW + 9))
        assert again.revoked_at == NOW + 5
        assert again.revision == revision(connection) == key.revision + 2
        assert not again.usable(Instant(NOW + 5))
        with pytest.raises(PuyunError, match="no such key"):
            identity.revoke_key(connection, 99, NOW)
        assert [key.id for key in identity.list_keys(connection, 7)] == [key.id]
        assert identity.list_keys(connection) == identity.list_keys(connection, 7)
        assert identity.list_keys(connection, 8) == []
