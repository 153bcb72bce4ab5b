import time

from puyun.system.clock import SystemClock


def test_the_clock_counts_microseconds_since_1970() -> None:
    before = time.time_ns() // 1000
    now = SystemClock().now()
    assert before <= now <= time.time_ns() // 1000
