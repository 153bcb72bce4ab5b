"""The key outside the database."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from puyun.kit.errors import PuyunError
from puyun.system.vault import KEY_FILE, Vault


def test_what_is_sealed_opens_again_also_after_a_restart(tmp_path):
    sealed = Vault(tmp_path).seal("a", b"secret")
    assert b"secret" not in sealed
    assert Vault(tmp_path).unseal("a", sealed) == b"secret"
    assert Vault(tmp_path).seal("a", b"secret") != sealed


def test_the_key_is_readable_by_its_owner_alone_and_no_draft_is_left(tmp_path):
    Vault(tmp_path).sign(b"x")
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoiled", [b"", b"short", b"\0" * 50])
def test_what_was_sealed_otherwise_does_not_open(tmp_path, spoiled):
    vault = Vault(tmp_path)
    with pytest.raises(PuyunError) as caught:
        vault.unseal("a", spoiled)
    assert caught.value.code == "sealed_elsewhere"


def test_another_purpose_or_another_key_does_not_open_it(tmp_path):
    vault = Vault(tmp_path)
    sealed = vault.seal("second step 1", b"secret")
    with pytest.raises(PuyunError):
        vault.unseal("second step 2", sealed)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(PuyunError):
        Vault(tmp_path).unseal("second step 1", sealed)


def test_of_processes_that_start_together_one_makes_the_key(tmp_path):
    vaults = [Vault(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda vault: vault.sign(b"same"), vaults))) == 1


def test_a_broken_key_file_is_said_and_not_replaced(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"half")
    with pytest.raises(PuyunError) as caught:
        Vault(tmp_path).sign(b"x")
    assert caught.value.code == "sealing_key_unreadable"
    assert (tmp_path / KEY_FILE).read_bytes() == b"half"
