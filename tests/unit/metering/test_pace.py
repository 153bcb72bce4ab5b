from puyun.metering.pace import START, Pace


def test_a_model_is_as_fast_as_it_was_seen_to_be() -> None:
    pace = Pace()
    assert pace.of("m") == START
    for _ in range(300):
        pace.observe("m", tokens=500, milliseconds=2_000)
    assert 240 <= pace.of("m") <= 260
    assert pace.of("n") == START


def test_an_answer_of_nothing_or_of_no_time_teaches_nothing() -> None:
    pace = Pace()
    pace.observe("m", tokens=0, milliseconds=5)
    pace.observe("m", tokens=5, milliseconds=0)
    assert pace.of("m") == START
