from pathlib import Path

import msgspec
import pytest


def test_a_receipt_for_people_and_programs(puyun, call: str) -> None:
    document = puyun("receipt", call, "--json").json
    assert document == puyun("receipt", "show", call, "--json").json == puyun("receipt", "--json", call).json
    assert (document["id"], document["charge"]) == (call, "0.0087625")
    shown = puyun("receipt", call).out
    assert "cached_input" in shown
    assert "0.003085" in shown
    assert "signature" not in shown


def test_a_refund_shows_and_both_receipts_stay_genuine(puyun, call: str, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(puyun("receipt", call, "--json").out)
    assert puyun("refund", call, "--why", "sorry").code == 0
    after.write_text(puyun("receipt", call, "--json").out)
    assert msgspec.json.decode(after.read_bytes())["status"] == "refunded"
    assert [puyun("receipt", "verify", str(file)).code for file in (before, after)] == [0, 0]
    after.write_text(after.read_text().replace('"refunded": "0.0087625"', '"refunded": "0.00"'))
    assert puyun("receipt", "verify", str(after)).code == 6
    shown = puyun("receipt", call).out
    assert "all of it was given back" in shown
    assert "transaction" in shown


def test_a_receipt_is_verified_against_saved_keys_and_those_of_the_database(puyun, call: str, tmp_path: Path) -> None:
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_text(puyun("receipt", call, "--json").out)
    keys.write_text(puyun("receipt", "keys").out)
    assert puyun("receipt", "verify", str(receipt), "--json").json["genuine"] is True
    ended = puyun("receipt", "verify", str(receipt), "--keys", str(keys), "--data", "/nowhere", "--json")
    assert (ended.code, ended.json["id"]) == (0, call)
    assert puyun("receipt", "keys", "--rotate").code == 0
    assert puyun("receipt", "verify", str(receipt)).code == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [('"charge": "0.0087625"', '"charge": "0.0087624"'), ("1234", "1235"), ('"flex"', '"test"'), ("{", '{"extra": 1,')],
)
def test_a_forged_receipt_is_exit_6(puyun, call: str, tmp_path: Path, old: str, new: str) -> None:
    text = puyun("receipt", call, "--json").out
    path = tmp_path / "receipt.json"
    path.write_text(text.replace(old, new, 1))
    ended = puyun("receipt", "verify", str(path), "--json")
    assert (ended.code, ended.json["genuine"]) == (6, False)
    assert "was changed" in ended.err


def test_a_key_that_stands_twice_does_not_hide_a_forged_value(puyun, call: str, tmp_path: Path) -> None:
    text = puyun("receipt", call, "--json").out
    path = tmp_path / "receipt.json"
    path.write_text(text.replace('"charge"', '"charge": "0.00", "charge"', 1))
    assert puyun("receipt", "verify", str(path)).code == 6


def test_another_platforms_keys_do_not_do(puyun, call: str, tmp_path: Path) -> None:
    path, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    path.write_text(puyun("receipt", call, "--json").out)
    keys.write_bytes(msgspec.json.encode({"keys": []}))
    ended = puyun("receipt", "verify", str(path), "--keys", str(keys))
    assert ended.code == 6
    assert "none of the keys at hand" in ended.err
    keys.write_text("nonsense")
    assert puyun("receipt", "verify", str(path), "--keys", str(keys)).code == 2
    assert puyun("receipt", "verify", str(tmp_path / "gone")).code == 3
    path.write_text("nonsense")
    assert puyun("receipt", "verify", str(path)).code == 6
