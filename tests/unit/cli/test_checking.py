import os

import pytest
from shop import Shop
from sqlalchemy import text

from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine, writing


@pytest.fixture
def busy(data) -> None:
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    shop.sell(Usage(input=1000, output=100))
    shop.store.close()
    engine.dispose()


def execute(data, statement: str) -> None:
    engine = open_engine(data / "puyun.db")
    with writing(engine) as connection:
        connection.execute(text(statement))
    engine.dispose()


def states(puyun) -> dict[str, str]:
    return {row["check"]: row["state"] for row in puyun("doctor", "--json").json["checks"]}


@pytest.mark.usefixtures("busy")
def test_a_clean_audit(puyun) -> None:
    ended = puyun("audit")
    assert (ended.code, ended.out) == (0, "1 organizations, 3 transactions, 1 records: no difference.\n")
    assert puyun("audit", "--json").json == {
        "clean": True,
        "examined": {"organizations": 1, "transactions": 3, "records": 1},
        "findings": [],
    }


@pytest.mark.usefixtures("busy")
def test_a_difference_is_named_and_is_exit_1(puyun, data) -> None:
    execute(data, "UPDATE wallet SET paid = paid + 1")
    ended = puyun("audit")
    assert ended.code == 1
    assert ended.out.startswith("A2  acme (org_7), wallet: paid is ")
    assert ended.out.endswith("1 differences.\n")
    document = puyun("audit", "--json")
    assert (document.code, document.json["clean"], document.json["findings"][0]["check"]) == (1, False, "A2")


def test_a_doctor_with_nothing_to_say(puyun, sold) -> None:
    assert puyun("doctor").code == 0
    assert set(states(puyun).values()) <= {"ok", "note"}
    assert states(puyun)["catalogue"] == "ok"


def test_a_doctor_without_a_database(puyun, tmp_path) -> None:
    ended = puyun("doctor", "--data", str(tmp_path / "a" / "b"))
    assert ended.code == 0
    assert "puyun serve" in ended.out
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("statement", "check", "state"),
    [
        ("UPDATE alembic_version SET version_num = '0000'", "schema", "fault"),
        ("DELETE FROM model_deployment", "catalogue", "note"),
        ("INSERT INTO price SELECT 9, id, 'test', 'input', 1, 1, 1, '', '' FROM model", "catalogue", "fault"),
        ("UPDATE provider SET api_key = 'env:PUYUN_TEST_NOT_SET'", "secrets", "note"),
        ("UPDATE provider SET api_key = 'file:/nowhere'", "secrets", "fault"),
    ],
)
def test_what_a_doctor_finds(puyun, sold, data, statement: str, check: str, state: str) -> None:
    execute(data, statement)
    assert states(puyun)[check] == state
    assert puyun("doctor").code == (6 if state == "fault" else 0)


def test_a_model_file_that_is_none_is_noted(puyun, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.gguf").write_text("nothing of the kind")
    monkeypatch.setenv("PUYUN_LOCAL_MODEL__PATH", str(tmp_path / "file.gguf"))
    assert states(puyun)["embedded model"] == "note"


def test_an_unwritable_place_is_a_fault(puyun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _path, mode: not mode & os.W_OK)
    assert states(puyun)["data directory"] == "fault"
