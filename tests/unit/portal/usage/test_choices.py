import pytest

from puyun.kit.errors import PuyunError
from puyun.portal.usage.choices import SHOWN_MAX, Choice, Choices
from puyun.portal.usage.query import parse_usage
from puyun.storage.usage import Grouping, Only

KEYS = [Choice(f"key_{number}", number, f"name {number}") for number in range(1, SHOWN_MAX + 4)]
CHOICES = Choices(tuple(Grouping), [], KEYS, [Choice("user_5", 5, "ada@example.com")])


def only(**address):
    return CHOICES.only(parse_usage(address, 0, org="", zone="UTC", groupings=tuple(Grouping)))


def test_a_choice_stands_for_a_number():
    assert only() == Only()
    assert only(key="key_2", member="user_5", model="m") == Only(key=2, member=5, model="m")
    assert only(member="none") == Only(member=0)


@pytest.mark.parametrize(("name", "value"), [("key", "key_9999"), ("key", "2"), ("member", "user_6")])
def test_what_is_not_ones_own_is_not_found(name, value):
    with pytest.raises(PuyunError) as caught:
        only(**{name: value})
    assert (caught.value.code, caught.value.status) == (f"{name}_not_found", 404)


def test_the_newest_are_listed_and_the_chosen_one_always():
    assert [each.id for each in CHOICES.shown_keys("")] == [each.id for each in KEYS[3:]]
    assert CHOICES.shown_keys("key_2")[0].id == "key_2"
