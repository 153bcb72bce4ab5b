import pytest

from puyun.metering.ratio import Script
from puyun.sim.trace import KEYS, OUTPUT_MAX, Arrival, dressed, recorded, synthetic

RECORDED = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:18:03.9799600,7,0
"""


def test_a_recorded_trace_begins_at_nought_and_goes_on_in_order() -> None:
    assert recorded(RECORDED.splitlines()) == [Arrival(0, 4808, 10), Arrival(52, 3180, 8), Arrival(60_000, 7, 1)]
    assert recorded(RECORDED.splitlines()[:1]) == []


@pytest.mark.parametrize("text", ["a,b\n1,2", "TIMESTAMP,ContextTokens,GeneratedTokens\nnow,1,2"])
def test_any_other_file_is_refused(text: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        recorded(text.splitlines())


def test_the_same_seed_makes_the_same_traffic_and_another_one_other() -> None:
    assert synthetic(7, 50) == synthetic(7, 50) != synthetic(8, 50)
    assert dressed(synthetic(7, 50), 1) == dressed(synthetic(7, 50), 1) != dressed(synthetic(7, 50), 2)


def test_what_is_made_up_could_be_real() -> None:
    asked = dressed(synthetic(3, 2_000), 3)
    assert [call.at for call in asked] == sorted(call.at for call in asked)
    assert {call.key for call in asked} == set(range(KEYS))
    assert {call.script for call in asked} == {Script.LATIN, Script.CODE, Script.CJK}
    assert all(1 <= call.output <= call.most <= OUTPUT_MAX for call in asked)
    assert all(call.input < call.text for call in asked)
