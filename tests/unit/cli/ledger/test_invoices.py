import pytest
from shop import Shop

from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine


@pytest.fixture
def owing(data, puyun) -> None:
    """acme has used 0.004 of a limit."""
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    puyun("org", "set", "acme", "--credit-limit", "1.00")
    for kind, amount in (("paid", "-5.00"), ("bonus", "-0.001")):
        puyun("adjust", "acme", amount, "--kind", kind, "--why", "x")
    shop.sell(Usage(input=1600))
    shop.store.close()
    engine.dispose()


@pytest.mark.usefixtures("owing")
def test_an_invoice_from_issuing_to_paying(puyun) -> None:
    words = ("invoice", "issue", "acme", "--id", "2026-11", "--due", "2026-12-15", "--json")
    issued = puyun(*words).json
    assert (issued["invoice"], issued["amount"], issued["due"]) == (1, "0.004", "2026-12-15T00:00:00Z")
    assert puyun(*words).json == issued
    assert puyun("invoice", "issue", "acme").code == 1
    assert puyun("balance", "acme", "--json").json["available"] == "0.996"
    assert puyun("invoice", "pay", "1", "--payment", "wire 9", "--json").json["state"] == "paid"
    assert puyun("invoice", "write-off", "1", "--approved-by", "bob", "--why", "x").code == 1
    assert puyun("invoice", "pay", "2").code == 3
    assert [row["state"] for row in puyun("invoice", "list", "--json").json] == ["paid"]
    assert puyun("balance", "acme", "--json").json["available"] == "1.00"
    assert puyun("audit").code == 0


@pytest.mark.usefixtures("owing")
def test_a_write_off_takes_another_person(puyun) -> None:
    puyun("invoice", "issue", "acme", "--amount", "0.001")
    words = ("invoice", "write-off", "1", "--why", "gone", "--by", "ann", "--approved-by")
    refused = puyun(*words, "ann")
    assert (refused.code, refused.err.splitlines()[0]) == (1, "Error: It takes two persons.")
    assert puyun(*words, "bob", "--json").json["state"] == "written_off"
    assert puyun("audit").code == 0
