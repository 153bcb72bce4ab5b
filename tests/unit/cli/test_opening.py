from pathlib import Path

import pytest
from sqlalchemy import text

from puyun.storage.engine import open_engine, writing


def test_a_reader_makes_no_database(puyun, tmp_path: Path) -> None:
    ended = puyun("org", "list", "--data", str(tmp_path / "other"))
    assert ended.code == 3
    assert "--data" in ended.err
    assert not (tmp_path / "other").exists()


def test_a_first_organization_makes_one(puyun, tmp_path: Path) -> None:
    other = str(tmp_path / "a" / "b")
    assert puyun("org", "create", "acme", "--data", other).code == 0
    assert puyun("balance", "acme", "--data", other, "--json").json["balance"] == "0.00"


def test_the_option_beats_the_environment(puyun, tmp_path: Path) -> None:
    puyun("org", "create", "here")
    puyun("org", "create", "there", "--data", str(tmp_path / "other"))
    assert [org["name"] for org in puyun("org", "list", "--json").json] == ["here"]


def test_another_schema_is_never_touched(puyun, data: Path) -> None:
    engine = open_engine(data / "puyun.db")
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    ended = puyun("org", "list")
    assert (ended.code, "Do:    puyun migrate" in ended.err) == (1, True)


@pytest.mark.parametrize("name", ["puyun.toml", "other.toml"])
def test_settings_come_from_the_working_directory_or_the_option(puyun, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('[brand]\ncurrency = "CNY"\n')
    option = [] if name == "puyun.toml" else ["--config", name]
    assert puyun("org", "create", "acme", *option, "--json").json["currency"] == "CNY"


def test_a_wrong_setting_stops_each_command(puyun, tmp_path: Path) -> None:
    (tmp_path / "puyun.toml").write_text("[sever]\nport = 1\n")
    ended = puyun("org", "list")
    assert ended.code == 2
    assert "did you mean server.port?" in ended.err
