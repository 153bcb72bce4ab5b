from pathlib import Path

import pytest
from shop import Shop

from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.engine import open_engine

SAMPLES = Path(__file__).parents[2] / "data" / "reconcile"
USAGE = Usage(input=1200, cached_input=34, output=567)


@pytest.fixture
def records(data: Path) -> None:
    """Three calls on one day, one on the next; one was cancelled and estimated, one failed."""
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    shop.sell(USAGE)
    shop.sell(USAGE)
    shop.sell(USAGE, Status.CANCELLED, flags=Flag.ESTIMATED)
    shop.sell(NO_USAGE, Status.FAILED)
    shop.later(24)
    shop.sell(USAGE)
    shop.store.close()
    engine.dispose()


def test_a_bill_that_agrees(puyun, records) -> None:
    found = puyun("reconcile", "provider", str(SAMPLES / "agrees.csv"), "--provider", "p-m", "--json")
    assert (found.code, found.json["agrees"]) == (0, True)
    assert [(row["date"], row["of"], row["ours"], row["difference"]) for row in found.json["rows"]] == [
        ("2026-11-25", "input", 3702, 0),
        ("2026-11-25", "output", 1701, 0),
        ("2026-11-26", "input", 1234, 0),
        ("2026-11-26", "output", 567, 0),
    ]
    assert "0 beyond 0.5 %" in puyun("reconcile", "provider", str(SAMPLES / "agrees.csv")).out


def test_a_difference_with_its_causes(puyun, records) -> None:
    """One failed attempt, one cancelled call without a report: as much as a call each."""
    found = puyun("reconcile", "provider", str(SAMPLES / "causes.csv"), "--json")
    assert found.code == 0
    assert [(row["of"], row["difference"], row["causes"], row["alarm"]) for row in found.json["rows"]] == [
        ("input", 1234, {"retries": 1234}, False),
        ("output", 567, {"retries": 567}, False),
    ]


def test_what_is_not_explained_is_exit_6(puyun, records, tmp_path: Path) -> None:
    found = puyun("reconcile", "provider", str(SAMPLES / "unexplained.csv"), "--json")
    assert found.code == 6
    assert [(row["model"], row["of"], row["unexplained"], row["alarm"]) for row in found.json["rows"]] == [
        ("m", "input", 0, False),
        ("m", "output", 0, False),
        ("x", "input", 10, True),
        ("x", "output", 10, True),
    ]
    shown = puyun("reconcile", "provider", str(SAMPLES / "unexplained.csv"))
    assert (shown.code, "1 beyond 0.5 %" in shown.out) == (6, True)


def test_money_is_compared_where_costs_are_known(puyun, records, data: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.toml"
    costs.write_text('[[costs]]\ndeployment = "m@p"\ninput = "1.00"\noutput = "5.00"\n')
    assert puyun("catalog", "apply", str(costs)).code == 0
    engine = open_engine(data / "puyun.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER cost_no_update")
        connection.exec_driver_sql("UPDATE cost SET effective_from = 0")
    engine.dispose()
    bill = tmp_path / "bill.csv"
    bill.write_text("date,model,input_tokens,output_tokens,cost\n2026-11-26,m,1234,567,0.004069\n")
    found = puyun("reconcile", "provider", str(bill), "--json")
    assert (found.code, found.json["rows"][2]["ours"], found.json["rows"][2]["unexplained"]) == (0, "0.004069", "0.00")
    bill.write_text("date,model,input_tokens,output_tokens,cost\n2026-11-26,m,1234,567,0.005\n")
    assert puyun("reconcile", "provider", str(bill)).code == 6


def test_refusals(puyun, records, tmp_path: Path) -> None:
    agrees = str(SAMPLES / "agrees.csv")
    assert puyun("reconcile", "provider", agrees, "--provider", "nobody").code == 3
    assert puyun("reconcile", "provider", str(tmp_path / "gone.csv")).code == 3
    broken = tmp_path / "broken.csv"
    broken.write_text("date,model\n")
    assert puyun("reconcile", "provider", str(broken)).code == 1
