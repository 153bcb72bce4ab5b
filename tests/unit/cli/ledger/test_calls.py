import pytest
from shop import Shop

from puyun.kit.ids import request_id
from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine


@pytest.fixture
def call(data) -> str:
    """A call that was sold for 0.0035, of it 0.001 bonus; its request id."""
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    found = shop.sell(Usage(input=1000, output=100))
    shop.store.close()
    engine.dispose()
    return request_id(7, found)


def test_a_refund_and_the_same_again(puyun, call: str) -> None:
    part = puyun("refund", call, "--amount", "0.0007", "--id", "x", "--why", "slow", "--by", "ann", "--json").json
    assert (part["charge"], part["returned"], part["returned_bonus"]) == ("0.0035", "0.0007", "0.0002")
    rest = puyun("refund", call, "--why", "slow", "--json").json
    assert (rest["returned"], rest["returned_bonus"], len(rest["transactions"])) == ("0.0035", "0.001", 2)
    assert puyun("refund", call, "--why", "slow", "--json").json == rest
    assert puyun("audit").code == 0


def test_a_correction(puyun, call: str) -> None:
    first = puyun("correct", call, "0.003", "--why", "wrong price", "--json").json
    assert first["returned"] == "0.0005"
    assert puyun("correct", call, "0.003", "--why", "wrong price", "--json").json == first
    assert puyun("correct", call, "0.003", "--id", "2", "--why", "again").code == 1
    assert puyun("audit").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["refund", "CALL", "--amount", "1", "--why", "x"], 1, "Why:   All refunds of a call come to at most"),
        (["refund", "CALL", "--amount", "0.001"], 2, "Do:    Name"),
        (["refund", "CALL", "--amount", "much", "--why", "x"], 2, "Error:"),
        (["refund", "nonsense", "--why", "x"], 2, "Error:"),
        (["refund", "req_000000000000000000000007", "--why", "x"], 3, "Error: There is no call"),
        (["correct", "CALL", "-1", "--why", "x"], 2, "Error"),
    ],
)
def test_refusals(puyun, call: str, arguments: list[str], code: int, says: str) -> None:
    ended = puyun(*(call if word == "CALL" else word for word in arguments))
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
