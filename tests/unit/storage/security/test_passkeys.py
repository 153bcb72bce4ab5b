"""On each engine."""

import pytest

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage.engine import writing
from puyun.storage.identity import create_user
from puyun.storage.security import passkeys
from puyun.storage.security.passkeys import MOST, NewPasskey

NOW = Instant(1000 * DAY)


def new(credential=b"c", name="phone"):
    return NewPasskey(credential=credential, public_key=b"public", signs=0, name=name)


@pytest.fixture
def people(engine):
    with writing(engine) as connection:
        return [create_user(connection, f"{name}@example.com", "", now=NOW) for name in ("ada", "eve")]


def test_a_passkey_is_found_by_its_credential_with_its_user(engine, people):
    ada, eve = people
    with writing(engine) as connection:
        number = passkeys.add_passkey(connection, ada.id, new(), NOW)
        passkeys.add_passkey(connection, eve.id, new(b"d", "key"), NOW)
        found = passkeys.find_passkey(connection, b"c")
        assert found is not None
        assert (found.id, found.user, found.name, found.used_at) == (number, ada, "phone", None)
        assert passkeys.use_passkey(connection, number, 5, Instant(NOW + DAY))
        [listed] = passkeys.list_passkeys(connection, ada.id)
        assert (listed.signs, listed.used_at) == (5, NOW + DAY)
        assert passkeys.find_passkey(connection, b"x") is None


def test_a_credential_is_registered_once_whoever_has_it(engine, people):
    ada, eve = people
    with writing(engine) as connection:
        passkeys.add_passkey(connection, ada.id, new(), NOW)
        with pytest.raises(PuyunError) as caught:
            passkeys.add_passkey(connection, eve.id, new(), NOW)
        assert caught.value.code == "passkey_exists"


def test_nobody_removes_the_passkey_of_somebody_else(engine, people):
    ada, eve = people
    with writing(engine) as connection:
        number = passkeys.add_passkey(connection, ada.id, new(), NOW)
        assert not passkeys.remove_passkey(connection, eve.id, number)
        assert passkeys.remove_passkey(connection, ada.id, number)
        assert not passkeys.remove_passkey(connection, ada.id, number)
        assert not passkeys.use_passkey(connection, number, 1, NOW)


def test_one_user_has_so_many_at_most(engine, people):
    ada, _ = people
    with writing(engine) as connection:
        for number in range(MOST):
            passkeys.add_passkey(connection, ada.id, new(bytes([number])), NOW)
        with pytest.raises(PuyunError) as caught:
            passkeys.add_passkey(connection, ada.id, new(b"more"), NOW)
        assert caught.value.code == "too_many_passkeys"


def test_a_challenge_is_answered_once_and_in_time(engine):
    with writing(engine) as connection:
        assert passkeys.use_challenge(connection, b"1", Instant(NOW + 5), NOW)
        assert not passkeys.use_challenge(connection, b"1", Instant(NOW + 5), NOW)
        assert not passkeys.use_challenge(connection, b"2", NOW, NOW)
        assert passkeys.use_challenge(connection, b"3", Instant(NOW + 9), Instant(NOW + 6))
        assert not passkeys.use_challenge(connection, b"1", Instant(NOW + 5), Instant(NOW + 6))
