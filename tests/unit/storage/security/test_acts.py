"""On each engine."""

from puyun.kit.clock import DAY, Instant
from puyun.storage.engine import writing
from puyun.storage.identity import create_organization, create_user
from puyun.storage.security.acts import DETAIL_MAX, Done, Kind, acts_of_organization, acts_of_user, record

NOW = Instant(1000 * DAY)


def test_acts_are_found_by_whom_and_where_the_newest_first(engine):
    with writing(engine) as connection:
        ada = create_user(connection, "ada@example.com", "", now=NOW).id
        bob = create_user(connection, "bob@example.com", "", now=NOW).id
        create_organization(connection, "acme", org=7, tiers=("test",), currency="USD", now=NOW)
        record(connection, Kind.PASSWORD_CHANGED, at=NOW, actor=ada, user=ada)
        record(connection, Kind.RESET_LINK, at=NOW, actor=None, user=ada)
        record(connection, Kind.ROLE_CHANGED, at=NOW, actor=ada, user=bob, org=7, detail="viewer")
        record(connection, Kind.INVITED, at=NOW, actor=ada, org=7, detail="x" * 1000)
        mine = acts_of_user(connection, ada, 9)
        assert [(act.kind, act.actor) for act in mine] == [
            (Kind.RESET_LINK, ""),
            (Kind.PASSWORD_CHANGED, "ada@example.com"),
        ]
        invited, changed = acts_of_organization(connection, 7, 9)
        assert changed == Done(
            at=NOW, kind=Kind.ROLE_CHANGED, actor="ada@example.com", user="bob@example.com", detail="viewer"
        )
        assert (invited.user, len(invited.detail)) == ("", DETAIL_MAX)
        assert acts_of_organization(connection, 7, 1) == [invited]
        assert acts_of_organization(connection, 8, 9) == []
