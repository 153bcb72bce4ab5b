import runpy

import pytest
from argon2 import PasswordHasher

from puyun.system import passwords
from puyun.system.passwords import hash_password, verify_password


@pytest.fixture(autouse=True)
def _real_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is outside of tests."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher())


def test_the_right_password_fits_and_no_other() -> None:
    stored = hash_password("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "RFC 9106, the second recommended option"
    assert verify_password(stored, "correct horse battery")
    assert not verify_password(stored, "correct horse batterx")
    assert stored != hash_password("correct horse battery")


def test_nobody_has_a_password_where_none_is_stored() -> None:
    assert not verify_password("", "nobody has this password")
    assert not verify_password("no hash", "anything at all")


@pytest.mark.parametrize("password", ["short", "x" * 1025])
def test_length_is_the_one_rule(password: str) -> None:
    with pytest.raises(ValueError, match="between 10 and 1024"):
        hash_password(password)


def test_the_hasher_of_the_product_has_the_cost_of_the_library() -> None:
    """Tests have a cheaper one; what a server has is what the module says when it is read afresh."""
    fresh = runpy.run_path(passwords.__file__)["_hasher"]
    real = PasswordHasher()
    assert (fresh.time_cost, fresh.memory_cost, fresh.parallelism) == (
        real.time_cost,
        real.memory_cost,
        real.parallelism,
    )
