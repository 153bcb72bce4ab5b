"""Access tokens and outcomes on both databases."""

import pytest
from sqlalchemy import delete

from puyun.catalog.model import Tier
from puyun.identity.model import Membership, Role
from puyun.identity.tokens import Scope, TokenSpec, fingerprint
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.control.outcomes import Outcome, find_outcome, keep_outcome
from puyun.storage.control.tokens import find_bearer, issue_token, list_tokens, revoke_token
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_organization, create_user, set_membership
from puyun.system.entropy import token_entropy

NOW = Instant(1_773_577_800_000_000)


def test_a_token_lives_as_long_as_its_user_is_a_member(engine):
    with writing(engine) as connection:
        org = create_organization(connection, "Engines", org=7, tiers=[Tier.FLEX], currency="USD", now=NOW).id
        user = create_user(connection, "ada@example.com", "", now=NOW).id
        spec = TokenSpec(name="ci", scopes=(Scope.KEYS_READ,), expires_at=Instant(NOW + DAY))
        with pytest.raises(PuyunError, match="Only a member"):
            issue_token(connection, org, user, spec, entropy=token_entropy, now=NOW)
        set_membership(connection, Membership(org=org, user=user, role=Role.ADMIN))
        issued = issue_token(connection, org, user, spec, entropy=token_entropy, now=NOW)
        outcome = Outcome(b"r" * 32, 201, b"\x00sealed\xff")
        keep_outcome(connection, issued.token.id, "one", outcome, NOW)
    hashed = fingerprint(issued.secret)
    with reading(engine) as connection:
        bearer = find_bearer(connection, hashed, NOW)
        assert (bearer.token, bearer.user.id, bearer.role) == (issued.token, user, Role.ADMIN)
        assert find_bearer(connection, hashed, Instant(NOW + DAY)) is None
        assert [line.token for line in list_tokens(connection, org, NOW)] == [issued.token]
        assert find_outcome(connection, issued.token.id, "one", NOW) == outcome
        assert find_outcome(connection, issued.token.id, "one", Instant(NOW + DAY)) is None
    with writing(engine) as connection:
        connection.execute(delete(schema.membership).where(schema.membership.c.org == org))
        assert find_bearer(connection, hashed, NOW) is None
        assert revoke_token(connection, org, issued.token.id, NOW).revoked_at == NOW
        assert revoke_token(connection, org, issued.token.id, Instant(NOW + 1)).revoked_at == NOW
