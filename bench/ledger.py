"""`python -m bench.ledger`: hold and settle through the real stores, with everything they write, forced to disk.

A pair is a hold in one commit and its settle in the next. One process at several batch sizes, then four at once on the
same database, as gateway processes are. The database server, if there is one, runs on the same cores.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, insert, select

from bench.machine import describe
from bench.postgres import Postgres
from puyun.kit.clock import Instant
from puyun.kit.ids import CallSequence
from puyun.ledger.command import Held, Hold, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.metering.usage import Usage
from puyun.storage import schema
from puyun.storage.engine import Database, open_engine, reading, writing
from puyun.storage.ledger.opening import open_store
from puyun.storage.migrate import upgrade
from puyun.system.clock import SystemClock

WALLETS = 1000
BATCHES = (1, 16, 64)
PROCESSES = 4
PROCESS_BATCH = 32
FUNDS = 10**15
HELD, EXACT = 2_000_000, 1_500_000_000


class Figure(msgspec.Struct, frozen=True):
    """Times in milliseconds, CPU of the client alone in microseconds. `bytes_per_call`: record, lines, their indexes;
    `growth_per_call`: the whole database, which in a short run is more than it would be in a long one.
    """

    engine: str
    processes: int
    batch: int
    wallets: int
    pairs_per_second: int
    cpu_us_per_pair: float
    hold_p50: float
    settle_p50: float
    settle_p99: float
    commit_p99: float
    bytes_per_call: int
    growth_per_call: int


class Load(msgspec.Struct, frozen=True):
    """What one process is to do. `number` is its slot and its owner row."""

    database: str
    number: int
    batch: int
    wallets: int
    seconds: float


class Done(msgspec.Struct, frozen=True):
    pairs: int
    cpu: float
    holds: list[float]
    settles: list[float]


def place(text: str) -> Database:
    return text if text.startswith("postgresql:") else Path(text)


def work(load: Load) -> Done:
    """Pairs until the time is over."""
    clock = SystemClock()
    store = open_store(place(load.database), clock, load.number)
    calls = CallSequence(load.number)
    orgs = (1 + (load.number * 17 + turn * 7) % load.wallets for turn in count())
    holds: list[float] = []
    settles: list[float] = []
    _pair(store, calls, list(islice(orgs, load.batch)), clock.now())  # statements are prepared
    spent = _cpu()
    deadline = time.perf_counter() + load.seconds
    while (began := time.perf_counter()) < deadline:
        held, settled = _pair(store, calls, list(islice(orgs, load.batch)), clock.now())
        holds.append(held - began)
        settles.append(settled - held)
    spent = _cpu() - spent
    store.close()
    return Done(len(holds) * load.batch, spent, holds, settles)


def _pair(store: Any, calls: CallSequence, orgs: list[int], now: Instant) -> tuple[float, float]:
    places = [(org, calls.next(now)) for org in orgs]
    asked = store.commit([Hold(org, call, org * 10, HELD, 1 + call % 20, "flex") for org, call in places])
    held = time.perf_counter()
    ended = store.commit([_record(org, call) for org, call in places])
    settled = time.perf_counter()
    assert all(isinstance(outcome, Held) for outcome in asked)
    assert all(isinstance(outcome, Settled) and outcome.charge for outcome in ended)
    return held, settled


def _record(org: int, call: int) -> UsageRecord:
    return UsageRecord(
        org=org,
        call=call,
        key=org * 10,
        model=1 + call % 20,
        deployment=1,
        tier="flex",
        tier_requested="flex",
        status=Status.COMPLETED,
        usage=Usage(input=200, output=100),
        exact=EXACT,
        held=HELD,
        price_ids="1 2",
        queue_ms=1,
        ttft_ms=200,
        total_ms=900,
        overhead_us=700 + call % 512,
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def database(folder: Path, server: Postgres | None) -> Iterator[str]:
    """A new one with wallets that can pay."""
    name = f"b{time.time_ns()}"
    url = server.create(name) if server else str(folder / f"{name}.db")
    control = open_engine(place(url))
    upgrade(control)
    with writing(control) as connection:
        numbers = range(1, WALLETS + 1)
        organizations = [{"id": n, "name": f"o{n}", "tiers": "[]", "created_at": 0, "revision": 0} for n in numbers]
        connection.execute(insert(schema.organization), organizations)
        connection.execute(insert(schema.wallet), [{"org": n, "currency": "USD", "paid": FUNDS} for n in numbers])
        owners = [{"id": n, "slot": n, "started_at": 0} for n in range(1, PROCESSES + 1)]
        connection.execute(insert(schema.owner), owners)
    control.dispose()
    yield url


KEPT = ("usage_record", "journal")

_TAKEN = {
    "sqlite": "SELECT sum(pgsize), sum(CASE WHEN name IN {kept} THEN pgsize END) FROM dbstat",
    "postgresql": "SELECT pg_database_size(current_database()), sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relname IN {kept} AND relkind = 'r'",
}


class Size(msgspec.Struct, frozen=True):
    """Bytes of the whole database, bytes of what is kept for every call (its record and its lines, with their indexes),
    and calls. The rest does not grow with calls: rollups with cells, holds with calls that run between two sweeps.
    """

    whole: int
    kept: int
    calls: int


def size(url: str) -> Size:
    control = open_engine(place(url))
    with reading(control) as connection:
        calls = connection.execute(select(func.count()).select_from(schema.usage_record)).scalar_one()
        query = _TAKEN[connection.dialect.name].format(kept=KEPT)
        whole, kept = connection.exec_driver_sql(query).one()
    control.dispose()
    return Size(int(whole), int(kept or 0), calls)


def measure(engine: str, url: str, *, processes: int, batch: int, wallets: int, seconds: float) -> Figure:
    before = size(url)
    loads = [Load(url, number, batch, wallets, seconds) for number in range(1, processes + 1)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(work, loads))
    after = size(url)
    calls = after.calls - before.calls
    pairs = sum(one.pairs for one in done)
    holds = sorted(taken for one in done for taken in one.holds)
    settles = sorted(taken for one in done for taken in one.settles)
    return Figure(
        engine,
        processes,
        batch,
        wallets,
        int(pairs / seconds),
        round(sum(one.cpu for one in done) / pairs * 1e6, 1),
        _at(holds, 0.5),
        _at(settles, 0.5),
        _at(settles, 0.99),
        _at(sorted(holds + settles), 0.99),
        (after.kept - before.kept) // calls,
        (after.whole - before.whole) // calls,
    )


def _at(ordered: list[float], part: float) -> float:
    return round(ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000, 2)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--engines", default="sqlite,postgresql", metavar="A,B", help="sqlite, postgresql (both)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="length of one measure (3)")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (the system's temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a figure")
    chosen = parser.parse_args(words)
    print(describe(), file=sys.stderr)
    if not chosen.json:
        print("  ".join(f"{name:>16}" for name in Figure.__struct_fields__))
    for engine in chosen.engines.split(","):
        for figure in figures(engine, chosen.folder, chosen.seconds):
            values = msgspec.structs.astuple(figure)
            line = "  ".join(f"{value:>16}" for value in values)
            print(msgspec.json.encode(figure).decode() if chosen.json else line, flush=True)


def figures(engine: str, folder: Path | None, seconds: float) -> Iterator[Figure]:
    """One engine's, on a database that grows through all of them."""
    with tempfile.TemporaryDirectory(dir=folder) as place, _server(engine) as server:
        for wallets in (WALLETS, 1):
            with database(Path(place), server) as url:
                for batch in BATCHES:
                    yield measure(engine, url, processes=1, batch=batch, wallets=wallets, seconds=seconds)
                yield measure(engine, url, processes=PROCESSES, batch=PROCESS_BATCH, wallets=wallets, seconds=seconds)


@contextmanager
def _server(engine: str) -> Iterator[Postgres | None]:
    if engine != "postgresql":
        yield None
        return
    with Postgres(durable=True) as server:
        yield server


if __name__ == "__main__":
    main(sys.argv[1:])
