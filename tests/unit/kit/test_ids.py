import pytest
from hypothesis import example, given, strategies as st

from puyun.kit.clock import DAY, HOUR, Instant, parse_instant
from puyun.kit.ids import (
    CALL_MAX,
    EPOCH_MS,
    ID_BITS,
    ORG_BITS,
    SLOTS,
    CallSequence,
    call_started,
    first_call_at,
    format_id,
    parse_id,
    parse_request_id,
    request_id,
)

NOON = parse_instant("2026-11-25T12:00:00Z")
STEPS = st.lists(st.integers(-10 * HOUR, 10 * HOUR), min_size=1, max_size=200)


@given(steps=STEPS, slot=st.integers(0, SLOTS - 1))
def test_call_ids_only_grow_whatever_the_clock_does(steps: list[int], slot: int) -> None:
    sequence, now, last = CallSequence(slot), NOON, -1
    for step in steps:
        now = Instant(now + step)
        call = sequence.next(now)
        assert last < call < 2**63
        last = call


@given(steps=STEPS)
def test_two_live_processes_never_mint_the_same_id(steps: list[int]) -> None:
    one, two = CallSequence(3), CallSequence(4)
    now, seen = NOON, set()
    for step in steps:
        now = Instant(now + step)
        seen |= {one.next(now), two.next(now), one.next(now)}
    assert len(seen) == 3 * len(steps)


def test_more_calls_than_a_millisecond_has_numbers() -> None:
    sequence = CallSequence(255)
    calls = [sequence.next(NOON) for _ in range(40_000)]
    assert calls == sorted(set(calls))
    assert call_started(calls[-1]) - NOON <= 3_000


@given(st.integers(0, 30 * 365 * DAY))
def test_an_id_says_when_and_makes_a_time_range_a_key_range(after: int) -> None:
    now = Instant(EPOCH_MS * 1000 + after)
    call = CallSequence(7).next(now)
    assert 0 <= now - call_started(call) < 1000 or after < 1000
    assert first_call_at(now) <= call < first_call_at(Instant(now + 1000)) or after < 1000


def test_a_range_that_begins_before_there_were_calls() -> None:
    assert first_call_at(Instant(0)) == 0


def test_a_moment_after_the_last_call_is_as_far_as_a_key_goes() -> None:
    assert first_call_at(parse_instant("2095-01-01")) < first_call_at(parse_instant("2099-01-01")) == CALL_MAX


@pytest.mark.parametrize("slot", [-1, SLOTS])
def test_there_are_so_many_slots(slot: int) -> None:
    with pytest.raises(ValueError, match="is not below 256"):
        CallSequence(slot)


@given(st.integers(0, 2**ORG_BITS - 1), st.integers(0, 2**63 - 1))
def test_request_ids_round_trip(org: int, call: int) -> None:
    text = request_id(org, call)
    assert len(text) == 28
    assert parse_request_id(text) == (org, call)


@given(st.text(max_size=40) | st.from_regex(r"req_[0-9a-fA-F_+\- ]{24}", fullmatch=True))
@example("req_" + "0" * 23 + "A")
@example("req_" + "0" * 23 + " ")
@example("req_+" + "0" * 23)
@example("req_0_" + "0" * 22)
@example("req_8" + "0" * 23)
@example("req_" + "0" * 16 + "8" + "0" * 7)
@example("req_" + "0" * 23 + "\u0663")
def test_what_is_read_as_a_request_id_is_one(text: str) -> None:
    """Else two spellings would name one receipt, and a number could leave the database's range."""
    try:
        org, call = parse_request_id(text)
    except ValueError:
        return
    assert request_id(org, call) == text
    assert call < 2**63
    assert org < 2**ORG_BITS


@given(st.sampled_from(["org", "key", "user"]), st.integers(0, 2**ID_BITS - 1))
def test_ids_round_trip(prefix: str, number: int) -> None:
    assert parse_id(prefix, format_id(prefix, number)) == number


@given(st.text(max_size=20) | st.from_regex(r"org_[0-9a-z_A-Z]{0,15}", fullmatch=True))
def test_what_is_read_as_an_id_is_one(text: str) -> None:
    try:
        number = parse_id("org", text)
    except ValueError:
        return
    assert format_id("org", number).removeprefix("org_").lstrip("0") == text.removeprefix("org_").lstrip("0")
    assert number < 2**65


@pytest.mark.parametrize(
    "text", ["", "org", "org_", "key_7", "7", "org_il", "org_U", "org_7 ", "org_-7", "org_" + "7" * 14]
)
def test_ids_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an id of the form org_"):
        parse_id("org", text)


def test_how_ids_look() -> None:
    assert [format_id("org", n) for n in (0, 7, 31, 32, 1023, 1024)] == [
        "org_0", "org_7", "org_z", "org_10", "org_zz", "org_100",
    ]  # fmt: skip
    assert request_id(7, 255) == "req_00000000000000ff00000007"
