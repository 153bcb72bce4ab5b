import pytest

from bench.measure import failures
from bench.native import Percentiles, Report
from bench.scenarios import Options, load_rows

ROWS = {row.name: row for row in load_rows(Options())}
NONE = Percentiles(0, 0, 0, 0, 0)


def report(calls, events, errors):
    return Report(
        started=calls, calls=calls, seconds=1, events=events, bytes=0, cpu_seconds=0, peak_in_flight=1,
        connections_opened=1, errors=errors, latency_us=NONE, first_byte_us=NONE, lag_us=NONE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "seen", "said"),
    [
        ("plain", report(100, 0, {}), []),
        ("burst", report(3, 780, {}), []),
        ("plain", report(99, 0, {"402": 1}), ["plain: 99 calls completed, errors {'402': 1}"]),
        ("plain", report(0, 0, {}), ["plain: 0 calls completed, errors {}"]),
        ("burst", report(3, 779, {}), ["burst: 779 events in 3 streams of 260"]),  # a proxy that swallows events
        ("plain", report(3, 3, {}), ["plain: 3 events in 3 streams of 0"]),
    ],
)
def test_a_measure_counts_only_when_every_answer_came_back_whole(row, seen, said):
    assert failures(ROWS[row], seen) == said
