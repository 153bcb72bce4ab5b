from pathlib import Path

import pytest
from sqlalchemy import insert
from till import record

from puyun.kit.clock import parse_instant
from puyun.kit.ids import parse_request_id
from puyun.storage.engine import open_engine, writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.system.clock import SystemClock

MONTH = ("sla", "report", "acme", "--month", "2026-11")


@pytest.fixture(autouse=True)
def december(monkeypatch: pytest.MonkeyPatch) -> None:
    now = parse_instant("2026-12-03T04:05:06Z")
    monkeypatch.setattr(SystemClock, "now", lambda _self: now)


def test_a_month_by_model_and_tier(puyun, call: str, data: Path) -> None:
    """What a server has not yet added up is in it."""
    org, _ = parse_request_id(call)
    engine = open_engine(data / "puyun.db")
    with writing(engine) as connection:
        refused = {(org, 1, "flex", "capacity_unavailable", 0): 2, (org, 1, "test", "upstream_refused", 0): 1}
        at = parse_instant("2026-11-30T23:59:59Z")
        connection.execute(insert(tables.tally_inbox), [{"at": at, "content": post_of([], refused)}])
        connection.execute(
            insert(tables.tally_inbox), [{"at": at + 1_000_000, "content": post_of([record(org, 1, 5)], {})}]
        )
    engine.dispose()
    ended = puyun(*MONTH, "--json")
    assert ended.code == 0
    shown = {row["tier"]: row for row in ended.json["levels"]}
    assert ended.json["organization"] == "acme"
    assert set(shown) == {"test", "flex"}
    assert (shown["flex"]["calls"], shown["flex"]["good"], shown["flex"]["bad"]) == (3, 1, {"capacity": 2})
    assert (shown["flex"]["available"], shown["flex"]["waits_kept"], shown["flex"]["wait_p50_ms"]) == (
        "33.33",
        "33.33",
        1,
    )
    assert (shown["test"]["calls"], shown["test"]["refused"], shown["test"]["available"]) == (0, 1, None)
    assert puyun(*MONTH, "--json").out == ended.out, "added up once"


def test_for_people(puyun, call: str) -> None:
    lines = [line.split() for line in puyun(*MONTH).out.splitlines()]
    assert lines[0][:4] == ["model", "tier", "calls", "bad"]
    assert lines[-1][1:5] == ["flex", "1", "-", "100.00"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("acme", "--month", "November"), 2, "is no month"),
        (("acme", "--month", "2027-01"), 2, "has not begun"),
        (("nobody", "--month", "2026-11"), 3, "nobody"),
    ],
)
def test_what_it_refuses(puyun, call: str, arguments: tuple[str, ...], code: int, says: str) -> None:
    ended = puyun("sla", "report", *arguments)
    assert (ended.code, says in ended.err, ended.out) == (code, True, "")


def test_a_month_without_calls_is_empty(puyun, call: str) -> None:
    ended = puyun("sla", "report", "acme", "--month", "2026-10", "--json")
    assert (ended.code, ended.json["levels"]) == (0, [])
