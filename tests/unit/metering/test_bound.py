import pytest

from puyun.metering.allowance import FIRST_STEP
from puyun.metering.bound import Facts, first_hold
from puyun.metering.expectation import LEAST, Expectation
from puyun.metering.media.attachment import Attachments
from puyun.metering.ratio import Ratios, Script
from puyun.metering.tokens import OUTPUT_DEFAULT, PER_MESSAGE

PLAIN = {"key": 1, "model": "m", "text": 1_000, "script": Script.LATIN, "most": 16_000}


@pytest.mark.parametrize(
    ("change", "inputs", "outputs"),
    [
        ({}, 500 + PER_MESSAGE, FIRST_STEP),
        ({"messages": 3}, 500 + 3 * PER_MESSAGE, FIRST_STEP),
        ({"text": 1}, 1 + PER_MESSAGE, FIRST_STEP),
        ({"text": 0, "messages": 0}, 0, FIRST_STEP),
        ({"script": Script.CJK}, 750 + PER_MESSAGE, FIRST_STEP),
        ({"script": Script.OTHER}, 1_000 + PER_MESSAGE, FIRST_STEP),
        ({"most": 7}, 500 + PER_MESSAGE, 7),
        ({"answers": 3}, 500 + PER_MESSAGE, 3 * FIRST_STEP),
        ({"most": 0}, 500 + PER_MESSAGE, 0),
        ({"grows": False}, 500 + PER_MESSAGE, 16_000),
        ({"grows": False, "ends": False}, 500 + PER_MESSAGE, OUTPUT_DEFAULT),
        ({"grows": False, "ends": False, "most": 9, "answers": 2}, 500 + PER_MESSAGE, 18),
        ({"attachments": Attachments(images=(None,))}, 500 + PER_MESSAGE + 2_048, FIRST_STEP),
    ],
)
def test_what_is_held_for_a_call_that_nothing_is_known_about(change, inputs: int, outputs: int) -> None:
    assert first_hold(Facts(**PLAIN | change), Ratios(), Expectation()) == (inputs, outputs)


def test_what_was_learned_makes_the_hold_tighter() -> None:
    ratios, expectation = Ratios(), Expectation()
    for _ in range(200):
        ratios.observe("m", Script.LATIN, size=1_000, tokens=240)
        expectation.observe(1, "m", 40)
    inputs, outputs = first_hold(Facts(**PLAIN), ratios, expectation)
    assert 240 + PER_MESSAGE <= inputs <= 260
    assert outputs == LEAST


def test_no_text_is_held_for_with_more_tokens_than_it_has_bytes() -> None:
    ratios = Ratios()
    for _ in range(200):
        ratios.observe("m", Script.LATIN, size=1_000, tokens=5_000)
    assert first_hold(Facts(**PLAIN), ratios, Expectation())[0] == 1_000 + PER_MESSAGE
