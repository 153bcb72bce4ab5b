"""Processes die at every place that `puyun.system.crash` names; whatever clients saw whole is billed once, nothing else.

The oracle is the mock upstream's journal, and what the clients themselves read. docs/reference/crash-points.md says
what must hold for each place.
"""

import asyncio
import itertools
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from stage.bill import charge, nano
from stage.child import Child
from stage.load import MIX, Heard, Kind, Load
from stage.site import KILLED, START, Site
from stage.verdict import COMPLETED, CRASHED, CUT, judge

from puyun.kit.ids import format_id
from puyun.service.verdict import BAD
from puyun.storage.engine import sqlite_path
from puyun.storage.ledger.store import BATCH_MAX

CALLERS = 6
QUICK = Kind("mock-tokens-50", stream=False)
ENDING = (QUICK, Kind("mock-tokens-50", stream=True))
GROWING = (Kind("mock-tokens-1500", stream=True),)
LEAVING = (Kind("mock-chunk-delay-20-tokens-50", stream=True, leaves=4), QUICK)

SERVING = {
    "call-admitted": (9, MIX),
    "hold-queued": (9, MIX),
    "hold-written": (9, MIX),
    "hold-committed": (9, MIX),
    "call-held": (9, MIX),
    "call-sent": (9, MIX),
    "answer-begun": (9, MIX),
    "stream-begun": (7, MIX),
    "grow-queued": (3, GROWING),
    "grow-written": (3, GROWING),
    "grow-committed": (3, GROWING),
    "client-left": (3, LEAVING),
    "usage-read": (7, MIX),
    "settle-queued": (9, MIX),
    "settle-written": (9, MIX),
    "settle-committed": (9, ENDING),
    "call-settled": (9, ENDING),
    "last-bytes-torn": (9, ENDING),
}
"""At which passing of the place a server dies, and under which calls."""

LEAVES_NOTHING = {"call-admitted", "hold-queued", "hold-written"}
"""Before these are passed nothing of the call that dies is in the database."""

GOOD = {COMPLETED, CUT}

BILLED = {"settle-committed", "call-settled", "last-bytes-torn"}
"""Once these are passed the call that dies stands as it was settled."""

LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from puyun.cli.app import main
main()
"""
"""A puyun none of whose files may grow beyond a size."""


def load_until_dead(site: Site, server: Child, port: int, kinds: tuple[Kind, ...]) -> list[Heard]:
    load = Load(site.key, site.user, lambda: port if server.alive else None, kinds=kinds)
    heard = asyncio.run(asyncio.wait_for(load.run(CALLERS), 30))
    assert server.wait() == KILLED
    return heard


def calls(site: Site, port: int, kinds: tuple[Kind, ...]) -> list[Heard]:
    """One of each."""
    load = Load(site.key, site.user, itertools.chain([port] * len(kinds), itertools.repeat(None)).__next__, kinds=kinds)
    return asyncio.run(load.run(1))


def records(site: Site) -> list[dict[str, Any]]:
    return site.rows("SELECT * FROM usage_record WHERE org = ? ORDER BY call", site.org)


def accounted(site: Site, heard: list[Heard]) -> None:
    """Everybody's account of what happened agrees, nothing is held, and the audit finds nothing."""
    sent = len(site.mock.asked(site.user))
    entries = site.mock.ended(site.user, sent) if sent else []
    verdict = judge(heard, entries, records(site), site.wallet(), start=START)
    assert verdict.faults == []
    assert site.rows("SELECT * FROM hold") == []
    site.run("audit")
    assert good_calls(site) == sum(row["status"] in GOOD for row in records(site)), "counted once, as each record says"


def good_calls(site: Site) -> int:
    """As the service levels have it: in the tallies, or still in the inbox."""
    site.run("sla", "report", format_id("org", site.org), "--month", "2026-01")  # adds everything up
    bad = " - ".join(BAD)
    return site.rows(f"SELECT coalesce(sum(calls - {bad}), 0) AS good FROM tally")[0]["good"]


@pytest.mark.parametrize("place", SERVING)
def test_a_server_dies_under_load(site: Site, place: str) -> None:
    times, kinds = SERVING[place]
    heard = load_until_dead(site, *site.serve(f"{place}:{times}"), kinds)
    open_at_death = {row["call"] for row in site.rows("SELECT call FROM hold")}
    settled_at_death = {f"req_{row['call']:016x}{site.org:08x}" for row in records(site) if row["status"] == COMPLETED}
    _, port = site.serve()
    assert site.rows("SELECT * FROM hold") == [], "returned before the server is ready"
    crashed = {row["call"] for row in records(site) if row["status"] == CRASHED}
    assert crashed == open_at_death
    unseen = settled_at_death - {call.request_id for call in heard if call.complete}
    if place in BILLED:
        assert unseen, "its charge stands, though its client saw no end"
    elif place not in LEAVES_NOTHING:
        assert crashed, "what was under way costs nothing and has a record that says so"
    last = calls(site, port, (QUICK,))
    assert last[0].complete
    accounted(site, heard + last)


@pytest.mark.parametrize(
    "place", ["slot-taken", "owner-registered", "owner-buried", "settle-written:65", "holds-returned"]
)
def test_a_server_dies_while_it_starts_after_another_died(site: Site, place: str) -> None:
    """The first leaves more holds than go into one batch; the second dies on the way to them, or in its second batch;
    the third returns what is left.
    """
    first, port = site.serve()
    load = Load(site.key, site.user, lambda: port if first.alive else None, kinds=(Kind("mock-gate", stream=True),))

    async def until_held() -> None:
        calling = asyncio.create_task(load.run(BATCH_MAX + 6))
        while len(await asyncio.to_thread(site.rows, "SELECT * FROM hold")) < BATCH_MAX + 6:  # noqa: ASYNC110 - in a database
            await asyncio.sleep(0.02)
        first.kill()
        await calling

    asyncio.run(asyncio.wait_for(until_held(), 30))
    second = site.launch(place)
    assert second.wait() == KILLED
    returned = {"settle-written:65": BATCH_MAX, "holds-returned": BATCH_MAX + 6}.get(place, 0)
    assert len(records(site)) == returned
    site.serve()
    assert [row["status"] for row in records(site)] == [CRASHED] * (BATCH_MAX + 6)
    assert len(site.rows("SELECT * FROM owner")) == 1, "the living one"
    accounted(site, load.heard)


def test_a_server_dies_in_the_middle_of_a_checkpoint(site: Site) -> None:
    """The database copies its log into its file; the kernel kills the server at the first byte beyond the file's size.

    The log is filled beforehand, by a connection that leaves the checkpoint to the server.
    """
    path = sqlite_path(site.data)
    with closing(sqlite3.connect(path, isolation_level=None)) as filler:
        filler.execute("PRAGMA wal_autocheckpoint = 0")
        filler.execute("CREATE TABLE ballast (bytes)")
        filler.execute("INSERT INTO ballast VALUES (zeroblob(8000000))")  # so that the log stays smaller than the file
        filler.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        filler.execute("INSERT INTO ballast VALUES (zeroblob(3900000))")
        server, port = site.serve(runner=("-c", LIMITED.format(size=path.stat().st_size + 65536)))
        load = Load(site.key, site.user, lambda: port if server.alive else None, kinds=(QUICK,))
        asyncio.run(asyncio.wait_for(load.run(CALLERS), 30))
        assert server.wait() == -signal.SIGXFSZ
    site.serve()
    assert any(call.complete for call in load.heard)
    accounted(site, load.heard)


def test_a_server_dies_while_it_takes_a_new_price_over(site: Site) -> None:
    """The act was durable before; the next server has it."""
    server, port = site.serve("refresh-read:2")
    heard = calls(site, port, (QUICK,))
    site.run("price", "set", QUICK.model, "flex", "output", "20.00")
    assert server.wait() == KILLED
    _, port = site.serve()
    assert calls(site, port, (QUICK,))[0].complete
    assert heard[0].complete
    assert [row["charge"] for row in records(site)] == [charge(3, 50), charge(3, 50) + 50 * 10_000]
    site.run("audit")


@pytest.mark.parametrize("place", ["act-written", "act-committed"])
def test_a_top_up_dies(site: Site, place: str) -> None:
    """Repeated under its own id it is credited once, wherever the first one died."""
    arguments = ("topup", "acme", "5.00", "--id", "payment-1")
    site.die(place, *arguments)
    assert site.wallet()["paid"] == START + (nano("5.00") if place == "act-committed" else 0)
    for _ in range(2):
        site.run(*arguments)
    assert site.wallet()["paid"] == START + nano("5.00")
    site.run("audit")


@pytest.mark.parametrize("place", ["act-written", "act-committed"])
def test_a_catalogue_dies_while_it_is_applied(site: Site, place: str) -> None:
    """All of it is there or nothing."""
    before = site.run("catalog", "export")
    file = site.folder / "catalogue.toml"
    file.write_text(before.replace('output = "10.00"', 'output = "12.00"').replace("= 128000", "= 64000"))
    site.die(place, "catalog", "apply", str(file))
    assert site.run("catalog", "export") == (before if place == "act-written" else file.read_text())
    site.run("catalog", "apply", str(file))
    assert site.run("catalog", "export") == file.read_text()


@pytest.mark.parametrize("place", ["migration-applied:1", "migration-applied:2", "act-written", "act-committed"])
def test_a_migration_dies(site: Site, place: str) -> None:
    """The schema is as before or as after, never between; doing it again mends everything."""
    site.data = site.folder / "new"
    site.die(place, "migrate")
    site.run("migrate")
    site.run("audit")
