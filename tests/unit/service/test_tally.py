import msgspec
import pytest
from till import record

from puyun.ledger.hold import Status
from puyun.metering.usage import Usage
from puyun.service.histogram import Kind, bin_of, histograms
from puyun.service.tally import COUNTS, Tally


def ended(status: Status = Status.COMPLETED, *, tier: str = "flex", output: int = 101, **times):
    changes = {"usage": Usage(output=output), **times}
    return msgspec.structs.replace(record(7, 1, 5, status, tier=tier), **changes)


def tally(*calls) -> Tally:
    made = Tally()
    for call in calls:
        made.observe(call)
    return made


def counts(made: Tally) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTS, made.counts, strict=True) if count}


def test_a_good_call_leaves_its_wait_its_first_token_its_speed_and_our_part() -> None:
    made = tally(ended(queue_ms=40, ttft_ms=300, total_ms=2300, overhead_us=900))
    assert counts(made) == {"calls": 1, "waits": 1, "overheads": 1}
    assert histograms(made.seen) == {
        Kind.WAIT: {bin_of(40_000): 1},
        Kind.FIRST_TOKEN: {bin_of(300_000): 1},
        Kind.SPEED: {bin_of(50_000): 1},  # 100 tokens after the first in two seconds
        Kind.OVERHEAD: {bin_of(900): 1},
    }


@pytest.mark.parametrize(
    ("tier", "kept", "over"), [("enterprise", 250, 251), ("flex", 5000, 5001), ("test", 120_000, 120_001)]
)
def test_a_wait_is_as_promised_up_to_the_last_millisecond(tier: str, kept: int, over: int) -> None:
    assert counts(tally(ended(tier=tier, queue_ms=kept))) == {"calls": 1, "waits": 1}
    assert counts(tally(ended(tier=tier, queue_ms=over))) == {"calls": 1, "waits": 1, "waits_over": 1}


def test_what_we_add_is_as_promised_up_to_twenty_milliseconds() -> None:
    assert counts(tally(ended(overhead_us=20_000))) == {"calls": 1, "waits": 1, "overheads": 1}
    assert counts(tally(ended(overhead_us=20_001)))["overheads_over"] == 1


def test_an_answer_that_is_no_stream_has_no_first_token_and_no_speed() -> None:
    seen = histograms(tally(ended(ttft_ms=0, total_ms=900)).seen)
    assert (seen[Kind.FIRST_TOKEN], seen[Kind.SPEED]) == ({}, {})


@pytest.mark.parametrize("times", [{"output": 1, "total_ms": 900}, {"output": 9, "total_ms": 300}])
def test_one_token_or_no_time_is_no_speed(times: dict[str, int]) -> None:
    assert histograms(tally(ended(ttft_ms=300, **times)).seen)[Kind.SPEED] == {}


def test_who_leaves_is_no_valid_call_but_had_waited() -> None:
    assert counts(tally(ended(Status.CANCELLED, queue_ms=6000))) == {"gone": 1, "waits": 1, "waits_over": 1}


@pytest.mark.parametrize(("status", "error"), [(Status.CRASHED, "crashed"), (Status.FAILED, "unrecorded")])
def test_how_long_it_waited_is_not_known_of_a_call_that_somebody_else_ended(status: Status, error: str) -> None:
    made = tally(ended(status, error=error))
    assert (counts(made), made.seen) == ({"calls": 1, "ours": 1}, "")


def test_a_refusal_for_capacity_is_a_bad_call_and_a_wait_not_as_promised() -> None:
    made = Tally()
    made.refuse("capacity_unavailable", 0, 3)
    made.refuse("capacity_unavailable", 1500)
    assert counts(made) == {"calls": 4, "capacity": 4, "waits": 4, "waits_over": 4}
    assert histograms(made.seen)[Kind.WAIT] == {bin_of(1_500_000): 1}, "who did not wait does not make waits look short"


def test_who_leaves_the_queue_is_shown_with_what_it_waited_and_nothing_is_held_against_us() -> None:
    made = Tally()
    made.refuse(None, 700)
    made.refuse("rate_limit_exceeded", 0)
    assert counts(made) == {"gone": 1, "refused": 1}
    assert histograms(made.seen)[Kind.WAIT] == {bin_of(700_000): 1}


def test_two_tallies_are_one_of_both() -> None:
    calls = [ended(queue_ms=ms, ttft_ms=ms * 2, total_ms=ms * 9, overhead_us=ms) for ms in (1, 1, 40, 900, 7000)]
    parts, whole = tally(*calls[:2]), tally(*calls)
    parts.add(tally(*calls[2:]))
    assert parts.counts == whole.counts
    assert histograms(parts.seen) == histograms(whole.seen)
