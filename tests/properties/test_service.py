"""Tallies against a recount of the usage records, after random batches, repetitions and lots, on each engine."""

from collections import Counter
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from till import Till, hold, record

from puyun.kit.clock import DAY
from puyun.ledger.hold import Status
from puyun.metering.usage import Usage
from puyun.service.histogram import Kind, bin_of, histograms
from puyun.service.tally import COUNTS
from puyun.storage.engine import open_engine
from puyun.storage.ledger.codes import STATUS_NAME, TIER_CODE
from puyun.storage.service.adding import add_up

FIVE_MINUTES = 300_000_000
WAIT_MOST = {1: 120_000, 2: 5_000, 3: 250}
CAUSES = {
    "upstream_error": "upstream_error",
    "upstream_timeout": "upstream_timeout",
    "capacity_unavailable": "capacity",
}
OWN = {"upstream_refused", "rate_limit_exceeded"}

_fresh = count(50_000)

ENDS = [
    *[(status, None) for status in (Status.COMPLETED, Status.CUT, Status.CANCELLED)],
    (Status.CRASHED, "crashed"),
    *[(Status.FAILED, error) for error in (*CAUSES, *OWN, "internal_error", "unrecorded", "new")],
]

CALL = st.fixed_dictionaries(
    {
        "end": st.sampled_from(ENDS),
        "tier": st.sampled_from(sorted(TIER_CODE)),
        "model": st.integers(1, 2),
        "output": st.integers(0, 300),
        "queue_ms": st.sampled_from([0, 3, 250, 251, 5000, 5001, 120_000, 130_000]),
        "ttft_ms": st.sampled_from([0, 1, 90, 4000]),
        "total_ms": st.integers(0, 9000),
        "overhead_us": st.none() | st.sampled_from([0, 700, 20_000, 20_001]),
    }
)
NOTE = st.tuples(
    st.integers(1, 2),
    st.sampled_from(sorted(TIER_CODE)),
    st.sampled_from(["capacity_unavailable", "temporarily_unavailable", None]),
    st.sampled_from([0, 80, 4000]),
)
BATCH = st.tuples(st.lists(CALL, max_size=6), st.lists(NOTE, max_size=3), st.lists(st.integers(0, 20), max_size=3))


def record_of(org: int, call: int, fields: dict):
    status, error = fields["end"]
    changes = {name: fields[name] for name in ("model", "queue_ms", "ttft_ms", "total_ms", "overhead_us")}
    made = record(org, call, 1, status, tier=fields["tier"])
    return msgspec.structs.replace(made, error=error, usage=Usage(output=fields["output"]), **changes)


class Oracle:
    """Counts anew, from the rows that receipts are made of."""

    def __init__(self) -> None:
        self.counts = Counter[tuple]()
        self.seen = Counter[tuple]()

    def row(self, place: tuple, row: tuple, overhead: int | None) -> None:
        """One usage record: status, error, tokens, times."""
        status, error, output, queue, first, total = row
        name = STATUS_NAME[status]
        bad = {"failed": CAUSES.get(error or "", "ours"), "crashed": "ours"}.get(name)
        if name == "cancelled":
            self.counts[*place, "gone"] += 1
        elif error in OWN:
            self.counts[*place, "refused"] += 1
        else:
            self.counts[*place, "calls"] += 1
            if bad:
                self.counts[*place, bad] += 1
        if error in {"unrecorded", "crashed"}:
            return
        self.counts[*place, "waits"] += 1
        self.counts[*place, "waits_over"] += queue > WAIT_MOST[place[-1]]
        self.seen[*place, Kind.WAIT, bin_of(queue * 1000)] += 1
        if first:
            self.seen[*place, Kind.FIRST_TOKEN, bin_of(first * 1000)] += 1
            if output > 1 and total > first:
                self.seen[*place, Kind.SPEED, bin_of((output - 1) * 10**6 // (total - first))] += 1
        if overhead is not None:
            self.counts[*place, "overheads"] += 1
            self.counts[*place, "overheads_over"] += overhead > 20_000
            self.seen[*place, Kind.OVERHEAD, bin_of(overhead)] += 1

    def note(self, place: tuple, error: str | None, waited: int) -> None:
        if error is None:
            self.counts[*place, "gone"] += 1
        else:
            self.counts[*place, "calls"] += 1
            self.counts[*place, "capacity" if error == "capacity_unavailable" else "ours"] += 1
        if error == "capacity_unavailable":
            self.counts[*place, "waits"] += 1
            self.counts[*place, "waits_over"] += 1
        if waited and error != "temporarily_unavailable":
            self.seen[*place, Kind.WAIT, bin_of(waited * 1000)] += 1


def tallied(till: Till, org: int) -> tuple[Counter, Counter]:
    counts, seen = Counter[tuple](), Counter[tuple]()
    names = ", ".join(COUNTS)
    for interval, model, tier, *rest in till.rows(
        f"SELECT interval, model, tier, {names}, seen FROM tally WHERE org = ?", org
    ):
        place = (interval, model, tier)
        counts.update({(*place, name): number for name, number in zip(COUNTS, rest[:-1], strict=True)})
        for kind, bins in histograms(rest[-1]).items():
            seen.update({(*place, kind, number): often for number, often in bins.items()})
    return +counts, +seen


@pytest.fixture(scope="module")
def engine(till: Till):
    engine = open_engine(till.database)
    yield engine
    engine.dispose()


@settings(max_examples=60)
@given(batches=st.lists(BATCH, max_size=6), step=st.integers(0, 400_000_000), lot=st.integers(1, 4))
def test_tallies_are_a_recount_of_the_records(till: Till, engine, batches, step: int, lot: int) -> None:
    org = next(_fresh)
    till.wallet(org, paid=10**9)
    asked: list = []
    overheads: dict[int, int | None] = {}
    ended_at: dict[int, int] = {}
    oracle = Oracle()
    for calls, notes, repeated in batches:
        interval = till.clock.now() // FIVE_MINUTES
        new = [record_of(org, till.call(), fields) for fields in calls]
        if new:
            till.store.commit([hold(org, each.call, 10, tier=each.tier) for each in new])
        overheads |= {each.call: each.overhead_us for each in new}
        ended_at |= dict.fromkeys((each.call for each in new), interval)
        asked += new
        again = [asked[number] for number in repeated if number < len(asked)]
        noted = Counter((org, model, tier, error, waited) for model, tier, error, waited in notes)
        till.store.commit([*new, *again], noted)
        for _, model, tier, error, waited in noted.elements():
            oracle.note((interval, model, TIER_CODE[tier]), error, waited)
        add_up(engine, lot)
        till.clock.advance(step)
    while add_up(engine, lot):
        pass
    query = (
        "SELECT call, model, tier, status, error, output, queue_ms, ttft_ms, total_ms FROM usage_record WHERE org = ?"
    )
    for call, model, tier, *row in till.rows(query, org):
        oracle.row((ended_at[call], model, tier), tuple(row), overheads[call])
    assert tallied(till, org) == (+oracle.counts, +oracle.seen)


def test_totals_and_days_are_the_sums_of_all_organizations(till: Till) -> None:
    """Whatever the other properties have left."""
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    own = till.rows(f"SELECT interval, model, tier, {sums} FROM tally GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
    assert till.rows(f"SELECT interval, model, tier, {', '.join(COUNTS)} FROM tally_total ORDER BY 1, 2, 3") == own
    day = DAY // FIVE_MINUTES
    days = till.rows(f"SELECT interval / {day}, model, tier, {sums} FROM tally GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
    assert till.rows(f"SELECT day, model, tier, {', '.join(COUNTS)} FROM tally_day ORDER BY 1, 2, 3") == days
