"""Challenges: whose they are, how long, how often."""

import pytest

from puyun.kit.clock import DAY, Instant
from puyun.portal.security.challenge import LASTS, Challenges
from puyun.storage.engine import writing
from puyun.system.vault import Vault

NOW = Instant(1000 * DAY)


@pytest.fixture
def challenges(tmp_path):
    return Challenges(Vault(tmp_path))


def test_a_challenge_is_good_for_its_purpose_and_its_time(challenges, tmp_path):
    given = challenges.new("register 1", NOW)
    assert challenges.ours(given, "register 1", NOW)
    assert Challenges(Vault(tmp_path)).ours(given, "register 1", NOW)  # another process
    assert not challenges.ours(given, "register 2", NOW)
    assert not challenges.ours(given, "sign in 1", NOW)
    assert not challenges.ours(given, "register 1", Instant(NOW + LASTS))


def test_what_was_not_given_is_not_ours(challenges):
    given = challenges.new("a", NOW)
    for spoiled in (b"", b"x", given[:-1], given + b"x", bytes(len(given))):
        assert not challenges.ours(spoiled, "a", NOW)
    later = given[:16] + int(NOW + DAY).to_bytes(8) + given[24:]
    assert not challenges.ours(later, "a", NOW)


def test_a_challenge_is_answered_once(challenges, pages):
    given = challenges.new("a", NOW)
    with writing(pages.engine) as connection:
        assert challenges.use(connection, given, NOW)
        assert not challenges.use(connection, given, NOW)
