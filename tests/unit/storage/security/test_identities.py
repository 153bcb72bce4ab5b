"""On each engine."""

import pytest

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_user
from puyun.storage.people.closing import close_user
from puyun.storage.security.identities import (
    MOST,
    connect,
    find_identity,
    list_identities,
    remove_identity,
    use_identity,
)
from puyun.storage.security.passkeys import NewPasskey, add_passkey

NOW = Instant(1000 * DAY)
ISSUER = "https://id.example.com"


def person(engine, email="ada@example.com", password=""):
    with writing(engine) as connection:
        return create_user(connection, email, password, now=NOW).id


def test_an_identity_is_an_issuer_and_a_subject_and_lets_in_one_user(engine):
    ada, eve = person(engine), person(engine, "eve@example.com")
    with writing(engine) as connection:
        connect(connection, ada, ISSUER, "1", email="a@x", now=NOW)
        connect(connection, ada, ISSUER, "1", email="a@x", now=NOW)
        connect(connection, eve, "https://other", "1", email="a@x", now=NOW)
        with pytest.raises(PuyunError, match="another user"):
            connect(connection, eve, ISSUER, "1", email="a@x", now=NOW)
        found = find_identity(connection, ISSUER, "1")
        use_identity(connection, found.id, Instant(NOW + 1))
    with reading(engine) as connection:
        [kept] = list_identities(connection, ada)
        assert (kept.user.id, kept.used_at) == (ada, NOW + 1)
        assert find_identity(connection, ISSUER, "2") is None


def test_there_are_not_any_number(engine):
    ada = person(engine)
    with writing(engine) as connection:
        for number in range(MOST):
            connect(connection, ada, ISSUER, str(number), email="", now=NOW)
        with pytest.raises(PuyunError, match="20 identities"):
            connect(connection, ada, ISSUER, "one more", email="", now=NOW)


@pytest.mark.parametrize("way", ["none", "password", "passkey", "identity"])
def test_the_last_way_in_stays(engine, way):
    ada = person(engine, password="hash" if way == "password" else "")
    with writing(engine) as connection:
        connect(connection, ada, ISSUER, "1", email="", now=NOW)
        if way == "passkey":
            add_passkey(connection, ada, NewPasskey(credential=b"c", public_key=b"k", signs=0, name="desk"), NOW)
        if way == "identity":
            connect(connection, ada, ISSUER, "2", email="", now=NOW)
        number = find_identity(connection, ISSUER, "1").id
        assert remove_identity(connection, ada + 1, number) is None
        if way == "none":
            with pytest.raises(PuyunError, match="Nothing else lets you in"):
                remove_identity(connection, ada, number)
        else:
            assert remove_identity(connection, ada, number).subject == "1"
            assert remove_identity(connection, ada, number) is None


def test_a_user_who_goes_leaves_no_way_in(engine):
    ada = person(engine)
    with writing(engine) as connection:
        connect(connection, ada, ISSUER, "1", email="", now=NOW)
        close_user(connection, ada, NOW)
        assert find_identity(connection, ISSUER, "1") is None
