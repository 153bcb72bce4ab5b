"""Anthropic's usage where it breaks itself down; the shapes it really has are in tests/data/usage."""

import pytest

from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.shapes.anthropic import read_anthropic
from puyun.metering.usage import Usage

ROWS = [
    ({"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}}, Usage(output=30, reasoning=20), NO_FLAGS),
    ({"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 9}}, Usage(reasoning=5), Flag.ANOMALY),
    ({"cache_creation": {"ephemeral_1h_input_tokens": 9}}, Usage(cache_write_1h=9), NO_FLAGS),
    ({"cache_creation_input_tokens": 9, "cache_creation": None}, Usage(cache_write=9), NO_FLAGS),
    (
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 12}},
        Usage(cache_write_1h=9),
        Flag.ANOMALY,
    ),
    (
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 3}},
        Usage(cache_write=9),
        Flag.ANOMALY,
    ),
    ({"input_tokens": -1, "output_tokens": 2}, Usage(output=2), Flag.ANOMALY),
    ({"input_tokens": 1, "iterations": [{"input_tokens": 1}], "service_tier": "batch"}, Usage(input=1), NO_FLAGS),
]


@pytest.mark.parametrize(("report", "usage", "flags"), ROWS)
def test_a_breakdown_takes_from_what_it_breaks_down(report: dict[str, object], usage: Usage, flags: Flag) -> None:
    reading = read_anthropic(report)
    assert (reading.usage, reading.flags) == (usage, flags)
