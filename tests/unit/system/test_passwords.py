import pytest

from puyun.system.passwords import hash_password, verify_password


def test_the_right_password_fits_and_no_other() -> None:
    stored = hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
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
