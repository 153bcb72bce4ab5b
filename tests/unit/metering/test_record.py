from puyun.metering.record import NO_FLAGS, Flag


def test_flags_keep_their_numbers_since_records_are_never_rewritten() -> None:
    numbers = {"ESTIMATED": 1, "ANOMALY": 2, "OVERRUN": 4, "UNPRICED": 8, "UNKNOWN": 16, "EMPTY": 32}
    assert {flag.name: flag.value for flag in Flag} == numbers
    assert not NO_FLAGS
