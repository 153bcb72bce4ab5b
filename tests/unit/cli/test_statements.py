from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from puyun.kit.clock import parse_instant
from puyun.storage.engine import open_engine
from puyun.system.clock import SystemClock

MONTH = ("statement", "acme", "--month", "2026-11")


@pytest.fixture(autouse=True)
def december(monkeypatch: pytest.MonkeyPatch) -> None:
    now = parse_instant("2026-12-03T04:05:06Z")
    monkeypatch.setattr(SystemClock, "now", lambda _self: now)


def test_a_month_that_is_over_is_closed_by_the_first_look_and_stays_the_same(puyun, call: str) -> None:
    first = puyun(*MONTH, "--json")
    assert first.code == 0
    assert f"closed 2026-12-03T04:05:06Z, SHA-256 {sha256(first.out.encode()).hexdigest()}" in first.err
    assert msgspec.json.decode(first.out)["closing"]["total"] == "4.9922375"
    puyun("org", "set", "acme", "--name", "acme and sons")
    puyun("price", "set", "m", "flex", "input", "3.00")
    puyun("topup", "org_7", "9.00")
    again = puyun("statement", "acme and sons", "--month", "2026-11", "--json")
    assert (again.code, again.out) == (0, first.out)


def test_the_running_month_stays_open(puyun, call: str) -> None:
    ended = puyun("statement", "acme", "--month", "2026-12", "--json")
    assert (ended.code, "still open" in ended.err) == (0, True)
    assert ended.json["opening"]["total"] == "4.9922375"


def test_for_people_and_for_spreadsheets(puyun, call: str) -> None:
    shown = [line.split() for line in puyun(*MONTH).out.splitlines()]
    assert ["opening", "0.00"] in shown
    assert ["topup", "5.00"] in shown
    assert ["usage", "-0.0087625"] in shown
    assert ["closing", "4.9922375"] in shown
    assert ["flex", "m", "output", "567", "10.00", "0.00567"] in shown
    assert puyun(*MONTH, "--csv").out.splitlines()[-1] == "closing,,,,,,,,,4.9922375"


def test_a_closed_month_that_changed_is_exit_6(puyun, call: str, data: Path) -> None:
    puyun(*MONTH)
    engine = open_engine(data / "puyun.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER journal_no_update")
        connection.exec_driver_sql("UPDATE journal SET amount = amount + 1 WHERE entry = 'topup'")
    engine.dispose()
    ended = puyun(*MONTH, "--json")
    assert (ended.code, "no longer the one that was closed" in ended.err) == (6, True)


@pytest.mark.parametrize(
    ("month", "code"), [("2027-01", 2), ("2026-13", 2), ("November", 2), ("2026-11-01", 2), ("9999-12", 2)]
)
def test_what_is_no_month_yet(puyun, call: str, month: str, code: int) -> None:
    assert puyun("statement", "acme", "--month", month).code == code
    assert puyun("statement", "nobody", "--month", "2026-11").code == 3


def test_a_pdf_is_the_same_bytes_again(puyun, call: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.pdf" for number in range(3)]
    for path in files[:2]:
        assert puyun(*MONTH, "--pdf", str(path)).code == 0
    assert puyun(*MONTH, "--pdf", str(files[2]), "--language", "zh").code == 0
    first, second, chinese = (path.read_bytes() for path in files)
    assert first.startswith(b"%PDF-")
    assert first == second != chinese
    assert puyun(*MONTH, "--pdf", str(files[0]), "--language", "xx").code == 2
