"""`python -m bench.audit`: how many records a second `puyun audit` examines, without seals and with every hour sealed.

The books are made through the real store, one commit of 64 calls after the other, while a clock set by hand goes on.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, func, insert, select

from bench.machine import describe
from puyun.catalog.model import Price, Tier
from puyun.kit.clock import HOUR, Instant, ManualClock
from puyun.kit.ids import CallSequence
from puyun.kit.money import parse_price
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act, Hold
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.metering.usage import Usage
from puyun.storage import schema
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.ledger.opening import open_store
from puyun.storage.ledger.store import BATCH_MAX
from puyun.storage.migrate import upgrade
from puyun.storage.money.payments import take_payment
from puyun.storage.money.seals import add_seal, draft_seal
from puyun.storage.prices import set_price

NOON = Instant(1_795_608_000_000_000)
FUNDS = 10**14
PRICES = {"input": 2_500_000, "output": 10_000_000}
HELD = 5_000_000
CHUNK = 4000
MODELS = 20


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="usage records (1000000)")
    parser.add_argument("--wallets", type=int, default=100, metavar="N", help="organizations (100)")
    parser.add_argument(
        "--hours", type=int, default=100, metavar="N", help="hours that the calls are spread over (100)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="audits of each kind, of which the best (3)")
    parser.add_argument("--file", type=Path, help="SQLite file to make, or to use again if it is there")
    chosen = parser.parse_args(words)
    print(describe(), file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        file: Path = chosen.file or Path(folder) / "audit.db"
        if not file.exists():
            _books(file, chosen.records, chosen.wallets, chosen.hours)
        engine = open_engine(file)
        if not _count(engine, "seal"):
            print(f"without seals  {_speed(engine, chosen.rounds):>9,} records/s", flush=True)
            _seal(engine, chosen.hours)
        parts = _count(engine, "seal_part")
        print(f"all sealed     {_speed(engine, chosen.rounds):>9,} records/s, {parts:,} parts of seals")
        engine.dispose()


def _books(file: Path, records: int, wallets: int, hours: int) -> None:
    engine, clock = open_engine(file), ManualClock(NOON)
    upgrade(engine)
    _shop(engine, wallets)
    store, calls = open_store(file, clock, 1), CallSequence(0)
    step = hours * HOUR * BATCH_MAX // records
    for first in range(0, records, BATCH_MAX):
        clock.advance(step)
        places = [(1 + number * 7919 % wallets, calls.next(clock.now())) for number in range(first, first + BATCH_MAX)]
        store.commit([Hold(org, call, org, HELD, 1 + call % MODELS, Tier.FLEX) for org, call in places])
        store.commit([_record(org, call, first + place) for place, (org, call) in enumerate(places)])
    store.close()
    engine.dispose()


def _shop(engine: Engine, wallets: int) -> None:
    with writing(engine) as connection:
        models = range(1, MODELS + 1)
        connection.execute(insert(schema.provider).values(id=1, name="p", dialect="echo"))
        rows = [{"id": n, "name": f"m{n}", "kind": "chat", "context_length": 1000} for n in models]
        connection.execute(insert(schema.model), rows)
        where = {"provider": 1, "upstream_model": "m", "pool": "shared", "seats": 1}
        connection.execute(insert(schema.deployment), [{"id": n, "name": f"m{n}@p"} | where for n in models])
        for number in models:
            for meter in PRICES:
                price = Price(model=f"m{number}", tier=Tier.FLEX, meter=meter, amount=parse_price(_typed(meter)))
                set_price(connection, price, who="bench", now=NOON)
        numbers = range(1, wallets + 1)
        named = [{"id": n, "name": f"o{n}", "tiers": "[]", "created_at": 0, "revision": 0} for n in numbers]
        connection.execute(insert(schema.organization), named)
        connection.execute(insert(schema.wallet), [{"org": n, "currency": "USD"} for n in numbers])
        connection.execute(insert(schema.owner).values(id=1, slot=0, started_at=NOON))
        for number in numbers:
            take_payment(connection, number, Payment(amount=FUNDS), Act("funds"), NOON)


def _typed(meter: str) -> str:
    return f"{PRICES[meter] // 10**6}.{PRICES[meter] % 10**6:06}"


def _record(org: int, call: int, number: int) -> UsageRecord:
    model = 1 + call % MODELS
    usage = Usage(input=1 + number * 31 % 2000, output=1 + number * 17 % 400)
    return UsageRecord(
        org=org,
        call=call,
        key=org,
        model=model,
        deployment=model,
        tier=Tier.FLEX,
        tier_requested=Tier.FLEX,
        status=Status.COMPLETED,
        usage=usage,
        exact=usage.input * PRICES["input"] + usage.output * PRICES["output"],
        held=HELD,
        price_ids=f"{2 * model - 1} {2 * model}",
        queue_ms=1,
        ttft_ms=200,
        total_ms=300 + number * 13 % 3000,
    )


def _seal(engine: Engine, hours: int) -> None:
    """One seal an hour, as a running server makes them."""
    for hour in range(1, hours + 3):
        with reading(engine) as connection:
            draft = draft_seal(connection, Instant(NOON + hour * HOUR), CHUNK)
        if draft is not None:
            with writing(engine) as connection:
                add_seal(connection, draft)


def _count(engine: Engine, name: str) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(schema.metadata.tables[name])).scalar_one()


def _speed(engine: Engine, rounds: int) -> int:
    return int(_count(engine, "usage_record") / min(_seconds(engine) for _ in range(rounds)))


def _seconds(engine: Engine) -> float:
    with reading(engine) as connection:
        began = time.perf_counter()
        found = list(audit(connection, Counts(), lambda _done, _total: None))
        taken = time.perf_counter() - began
    assert not found, found[:3]
    return taken


if __name__ == "__main__":
    main(sys.argv[1:])
