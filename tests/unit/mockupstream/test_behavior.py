"""Behaviours by name."""

import msgspec
import pytest

from puyun.mockupstream.behavior import Behavior, parse_behavior


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mock", Behavior()),
        ("mock-tokens-50", Behavior(tokens=50)),
        ("mock-die-midstream-chunk-delay-20-tokens-3", Behavior(tokens=3, chunk_delay=20, die_midstream=True)),
        ("mock-delay-300-stall-midstream", Behavior(delay=300, stall_midstream=True)),
        ("mock-stall", Behavior(stall=True)),
        ("mock-usage-every-usage-late", Behavior(usage_every=True, usage_late=True)),
    ],
)
def test_a_name_is_a_behaviour(model: str, expected: Behavior) -> None:
    assert parse_behavior(model) == expected


@pytest.mark.parametrize("model", ["gpt-4o", "mockery", "mock-", "mock-tokens", "mock-tokens-x", "mock-stalling"])
def test_a_name_that_is_none_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match=r"no (model|behaviour)"):
        parse_behavior(model)


def test_every_field_can_be_asked_for() -> None:
    for field in msgspec.structs.fields(Behavior):
        word = field.name.replace("_", "-")
        value = 5 if field.type is int else True
        name = f"mock-{word}-5" if field.type is int else f"mock-{word}"
        assert parse_behavior(name) == Behavior(**{field.name: value})
