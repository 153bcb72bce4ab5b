"""What each step of a call costs by itself: python -m bench.steps

Each step runs many times in a row, so its code and data are warm; in a real call they are not, and the same step costs two
to three times as much. The table shows where to look, not what a call adds up to. CPU time, best of five.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.table import Table

from puyun.arbiter.decider import Decider
from puyun.arbiter.lease import Lease
from puyun.arbiter.local import Local
from puyun.arbiter.message import Configuration
from puyun.catalog.model import TIERS, Deployment, Dialect, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, Key, SoldModel
from puyun.egress.target import target_of
from puyun.gateway import admit as admission
from puyun.gateway.admit import Admission
from puyun.gateway.dispatch import Dispatcher
from puyun.gateway.finish import PaidOutcome, _learn, _record
from puyun.gateway.front import Exchange
from puyun.gateway.running import Call
from puyun.gateway.upstream import Pool
from puyun.gateway.wording import answer_head, limits_lines
from puyun.identity.keys import fingerprint
from puyun.kit.clock import Instant
from puyun.kit.ids import CallSequence
from puyun.kit.money import format_amount
from puyun.ledger.command import Hold
from puyun.ledger.hold import Status
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.limits.rule import Metric, Rule, Scope
from puyun.metering.experience import Experience
from puyun.metering.record import UsageRecord
from puyun.metering.shapes.openai import reader_at
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.pricing.rate import rate
from puyun.protocol import openai
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.scheduler import Scheduler
from puyun.storage.engine import open_engine, writing
from puyun.storage.ledger.sqlite import SqliteLedger
from puyun.storage.migrate import upgrade
from puyun.storage.snapshots import Snapshot
from puyun.system.clock import SteadyClock, SystemClock

SECRET = "sk-puyun-" + "x" * 38
ORG = 77
WORDS = "hello world " * 75
QUESTION = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": WORDS}]
REQUEST = msgspec.json.encode({"model": "mock", "max_tokens": 256, "messages": QUESTION})
USAGE: dict[str, Any] = {"prompt_tokens": 190, "completion_tokens": 130, "total_tokens": 320}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "word " * 170}, "finish_reason": "stop"}
ANSWER = msgspec.json.encode(
    {"id": "chatcmpl-Bench", "object": "chat.completion", "created": 1, "model": "mock", "choices": [CHOICE]}
    | {"usage": USAGE}
)

Step = tuple[str, Callable[[], object]]


def cpu(step: Callable[[], object], times: int) -> float:
    """Microseconds of CPU for one, best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            step()
        best = min(best, time.process_time() - began)
    return best / times * 1e6


def world() -> tuple[Snapshot, dict[bytes, Key], Candidate]:
    """One model at three tiers, one key, one deployment."""
    cells = [(tier, meter, amount) for tier in TIERS for meter, amount in (("input", 2_500_000), ("output", 10**7))]
    rows = [
        PriceRow(id=n, model="mock", tier=t, meter=m, amount=a, effective_from=Instant(0), created_at=Instant(0))
        for n, (t, m, a) in enumerate(cells, 1)
    ]
    provider = Provider(name="mock", dialect=Dialect.OPENAI, base_url="http://127.0.0.1:9/v1")
    candidate = Candidate(4, Deployment(name="d", provider="mock", upstream_model="mock", seats=9), provider)
    model = Model(name="mock", kind=Kind.CHAT, context_length=128_000, max_output=4096)
    key = Key(1, ORG, Tier.FLEX, frozenset(TIERS), frozenset(), (), None, active=True)
    return (
        Snapshot(1, {"mock": SoldModel(3, model, (candidate,))}, PriceBook(rows)),
        {fingerprint(SECRET): key},
        candidate,
    )


HEADERS = [
    (b"host", b"x"),
    (b"authorization", b"Bearer " + SECRET.encode()),
    (b"content-type", b"application/json"),
]
SPENT = Spent(fresh=190, output=130)


def local_arbiter(lane: int) -> Local:
    """With a free seat at one deployment, and four limits that are never reached."""
    amounts = {Metric.RPM: 10**9, Metric.ITPM: 10**12, Metric.OTPM: 10**12, Metric.IN_FLIGHT: 10**5}
    rules = [
        Rule(scope=Scope.ORGANIZATION, metric=metric, amount=amount, org=ORG, id=number)
        for number, (metric, amount) in enumerate(amounts.items(), 1)
    ]
    loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(call_later=lambda *_: None))
    arbiter = Local(Decider(Scheduler(), Limits(Policy())), SteadyClock(), loop)
    arbiter.configure(Configuration(1, (LaneSpec(id=lane, seats=10**6),), tuple(rules), {3: "mock"}))
    return arbiter


def pure_steps() -> list[Step]:
    """The steps of a whole answer between the sockets."""
    snapshot, keys, candidate = world()
    clock, sequence = SystemClock(), CallSequence(1)
    asked = SimpleNamespace(headers=HEADERS, endpoint=openai.ENDPOINTS[0], body=REQUEST, peer="", disconnected=False)
    exchange = cast("Exchange", asked)
    experience = Experience()

    def admit() -> Admission:
        return admission.admit(exchange, keys, snapshot, Instant(1), (), experience=experience)

    admitted = admit()
    arbiter = local_arbiter(candidate.id)
    dispatcher = Dispatcher(arbiter, cast("Pool", None), first_byte=1, idle=1, comment=1)
    dispatcher.targets = {candidate.id: target_of(candidate)}

    def ask() -> Lease:
        return dispatcher.acquire(admitted, sequence.next(clock.now()), experience)

    def seat() -> None:
        lease = ask()
        lease.end(SPENT, OK)

    def begun() -> Call:
        return Call(admitted, exchange, sequence.next(clock.now()), 1.0, lease=held, experience=experience)

    held = ask()
    call = begun()
    target, reading, names = target_of(candidate), reader_at("api.openai.com")(USAGE), openai.rename("mock", "mock")
    paid = PaidOutcome(Status.COMPLETED, reading)
    head: dict[str, Any] = {
        "size": 9,
        "request_id": b"req_1",
        "tier": b"flex",
        "cost": "0.1",
        "timing": (0.1, 2.0, 3.0),
    }
    return [
        ("admit: key, body, tier, price, bound, hold", admit),
        ("limits and a seat, begun and given back", seat),
        ("limits as header lines", lambda: limits_lines(held)),
        ("the call and its ids", begun),
        ("body for the provider", lambda: call.body_for(target)),
        ("answer taken apart", lambda: openai.take_apart(ANSWER)),
        (
            "usage read",
            lambda: reader_at("api.openai.com")(cast("dict[str, Any]", openai.usage_of(openai.take_apart(ANSWER)))),
        ),
        ("rated", lambda: rate(reading.usage, admitted.rates)),
        ("usage record", lambda: _record(call, paid)),
        ("learned from", lambda: _learn(call, paid)),
        ("answer put together", lambda: openai.put_together(openai.take_apart(ANSWER), Tier.FLEX, "0.1", names)),
        ("head of the answer", lambda: answer_head(**head)),
        ("amount as text", lambda: format_amount(8_755_000)),
    ]


def ledger_steps(folder: Path) -> list[Step]:
    """Hold and settle through the real store, fsync and all, at three sizes of batch."""
    path = folder / "steps.db"
    engine = open_engine(path)
    upgrade(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql(
            f"INSERT INTO organization (id, name, tiers, created_at, revision) VALUES ({ORG}, 'o', '[]', 0, 0)"
        )
        connection.exec_driver_sql(f"INSERT INTO wallet (org, currency, paid) VALUES ({ORG}, 'USD', {10**17})")
    clock, sequence = SystemClock(), CallSequence(1)
    store = SqliteLedger(path, clock, 1)
    usage = reader_at("api.openai.com")(USAGE).usage

    def pairs(size: int) -> Callable[[], object]:
        open_calls: list[int] = []

        def batch() -> object:
            fresh = [sequence.next(clock.now()) for _ in range(size)]
            holds = [Hold(ORG, call, 1, 10**6, 3, Tier.FLEX) for call in fresh]
            ended = [
                UsageRecord(
                    org=ORG, call=call, key=1, model=3, deployment=4, tier=Tier.FLEX, tier_requested=Tier.FLEX,
                    status=Status.COMPLETED, usage=usage, exact=10**9, held=10**6, price_ids="1 2",
                )
                for call in open_calls
            ]  # fmt: skip
            open_calls[:] = fresh
            return store.commit([*holds, *ended])

        return batch

    return [(f"hold and settle, {size} of each in a commit", pairs(size)) for size in (1, 8, 32)]


def main() -> None:
    table = Table("step", "µs", title=f"steps of a call, warm, on one of {os.cpu_count()} cores")
    for name, step in pure_steps():
        table.add_row(name, f"{cpu(step, 5_000):.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for name, step in ledger_steps(Path(folder)):
            size = int(name.split()[3])
            table.add_row(f"{name}: for one pair", f"{cpu(step, 200) / size:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
