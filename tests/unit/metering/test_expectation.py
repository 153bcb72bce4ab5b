from puyun.metering.allowance import FIRST_STEP
from puyun.metering.expectation import LEAST, Expectation


def test_a_key_s_own_answers_say_how_long_the_next_one_will_be() -> None:
    expectation = Expectation()
    for _ in range(200):
        expectation.observe(1, "m", 3_000)
        expectation.observe(2, "m", 10)
    assert 2_500 < expectation.first_step(1, "m", 16_000) <= 3_000
    assert expectation.of(2, "m") < 20
    assert expectation.first_step(2, "m", 16_000) == LEAST
    assert expectation.first_step(3, "m", 16_000) == expectation.first_step(1, "n", 16_000) == FIRST_STEP


def test_no_step_goes_beyond_where_the_answer_ends() -> None:
    assert Expectation().first_step(1, "m", 5) == 5
    assert Expectation().first_step(1, "m", 0) == 0
