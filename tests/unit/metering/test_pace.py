from puyun.metering.pace import START, Pace


def test_silence_counts_as_tokens_at_the_model_s_pace() -> None:
    pace = Pace()
    assert pace.produced("m", seen=0, milliseconds=2_000) == 2 * START
    for _ in range(300):
        pace.observe("m", tokens=500, milliseconds=2_000)
    assert 240 <= pace.of("m") <= 260
    assert 480 <= pace.produced("m", seen=0, milliseconds=2_000) <= 520
    assert pace.of("n") == START


def test_what_was_seen_counts_where_it_is_more() -> None:
    assert Pace().produced("m", seen=900, milliseconds=2_000) == 900
    assert Pace().produced("m", seen=0, milliseconds=0) == 0


def test_an_answer_of_nothing_or_of_no_time_teaches_nothing() -> None:
    pace = Pace()
    pace.observe("m", tokens=0, milliseconds=5)
    pace.observe("m", tokens=5, milliseconds=0)
    assert pace.of("m") == START
