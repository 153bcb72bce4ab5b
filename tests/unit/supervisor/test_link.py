from puyun.supervisor.link import Link


def test_lines_arrive_whole_and_in_order() -> None:
    one, other = Link.pair()
    assert other.hear() == []
    one.tell("first")
    one.tell("second: ü")
    assert other.hear() == ["first", "second: ü"]
    one._end.send(b"hal")
    assert other.hear() == []
    one._end.send(b"f\n")
    assert other.hear() == ["half"]
    one.close()
    other.close()


def test_the_end_of_the_line_is_heard_and_nobody_to_hear_is_no_error() -> None:
    one, other = Link.pair()
    one.tell("last")
    one.close()
    assert other.hear() == ["last"]
    assert other.hear() is None
    other.tell("anybody?")
    other.tell("anybody?")
    assert other.hear() is None
    other.close()


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    one, other = Link.pair()
    for _ in range(10):
        one._end.send(b"x" * 10_000)
        other.hear()
    assert len(other._rest) <= 16 * 1024
    one.close()
    other.close()
