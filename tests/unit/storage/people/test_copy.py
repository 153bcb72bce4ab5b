"""On each engine."""

import msgspec

from puyun.catalog.model import Tier
from puyun.identity.model import KeySpec, Membership, Role
from puyun.kit.clock import DAY, Instant
from puyun.limits.rule import Metric
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key, create_organization, create_user, set_membership
from puyun.storage.limits.wishes import Wanted, add_wish
from puyun.storage.people.copy import copy_of
from puyun.storage.sessions import open_session

NOW = Instant(1000 * DAY)


def test_a_copy_has_all_that_is_ones_own_and_no_secret(engine):
    with writing(engine) as connection:
        engines = create_organization(connection, "Engines", org=7, tiers=[Tier.FLEX], currency="USD", now=NOW)
        ada = create_user(connection, "ada@example.com", "argon-hash", now=NOW)
        bob = create_user(connection, "bob@example.com", "argon-hash", now=NOW)
        for user in (ada, bob):
            set_membership(connection, Membership(org=7, user=user.id, role=Role.ADMIN))
            spec = KeySpec(tier=Tier.FLEX, name=user.email, member=user.id)
            create_key(connection, engines, spec, f"sk-puyun-secret-{user.id}", NOW)
        for user, metric in ((ada, Metric.RPM), (bob, Metric.ITPM)):
            wanted = Wanted(tier=Tier.FLEX, model="", metric=metric, amount=600, why=f"for {user.email}")
            add_wish(connection, 7, user.id, wanted, NOW)
        open_session(connection, b"cookie-hash", ada.id, agent="A browser", now=NOW)
    with reading(engine) as connection:
        found = copy_of(connection, ada)
    assert found["user"]["email"] == "ada@example.com"
    assert [(each["name"], each["role"]) for each in found["organizations"]] == [("Engines", "admin")]
    assert [key["name"] for key in found["keys"]] == ["ada@example.com"]
    assert [session["device"] for session in found["sessions"]] == ["A browser"]
    assert [wish["why"] for wish in found["limit_requests"]] == ["for ada@example.com"]
    text = msgspec.json.encode(found).decode()
    assert not any(secret in text for secret in ("argon-hash", "cookie-hash", "secret-", "bob@"))
