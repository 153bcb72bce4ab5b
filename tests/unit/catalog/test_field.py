import datetime as dt
import math
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from puyun.catalog import field
from puyun.catalog.model import Kind, Tier
from puyun.kit.clock import from_datetime
from puyun.kit.money import MICRO, PRICE_MAX

TIER = field.one_of(Tier)
COUNT = field.whole_number(1, 10)
TEXT = field.line_of_text(10)

ACCEPTED = [
    (field.name, "gpt-4o", "gpt-4o"),
    (field.name, "org/gpt-4.1:free@openai+x", "org/gpt-4.1:free@openai+x"),
    (field.name, "a" * 128, "a" * 128),
    (field.names, ["a", "b"], ("a", "b")),
    (field.names, [], ()),
    (field.upstream_name, "@cf/qwen/qwen3", "@cf/qwen/qwen3"),
    (TEXT, "示范\u3000模型", "示范\u3000模型"),
    (TEXT, "", ""),
    (COUNT, 1, 1),
    (COUNT, 10, 10),
    (TIER, "flex", Tier.FLEX),
    (field.base_url, "https://api.example.com/v1/", "https://api.example.com/v1"),
    (field.base_url, "http://[::1]:8080", "http://[::1]:8080"),
    (field.secret_reference, "env:OPENAI_API_KEY", "env:OPENAI_API_KEY"),
    (field.secret_reference, "file:/run/secrets/open ai", "file:/run/secrets/open ai"),
    (field.pool, "shared", "shared"),
    (field.pool, "enterprise", "enterprise"),
    (field.pool, "dedicated:Acme 公司", "dedicated:Acme 公司"),
    (field.price, "2.50", 2_500_000),
    (field.price, "0", 0),
    (field.price, "0.000001", 1),
    (field.price, "withdrawn", None),
    (field.moment, dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), 0),
    (field.moment, dt.datetime(1970, 1, 1, 0, 0, 1), 1_000_000),  # noqa: DTZ001 - what TOML calls a local time
    (field.moment, dt.date(1970, 1, 2), 86_400_000_000),
]

REFUSED = [
    (field.name, 7, "expected a string in quotes, got a number"),
    (field.name, True, "got true or false"),
    (field.name, ["a"], "got an array"),
    (field.name, {"a": 1}, "got a table"),
    (field.name, dt.date(2026, 1, 1), "got a date or time"),
    (field.name, "", "'' is not a name"),
    (field.name, "a" * 129, "is not a name"),
    (field.name, "gpt 4o", "'gpt 4o' is not a name"),
    (field.name, "-gpt", "a letter or digit first"),
    (field.name, "gpt\n", "is not a name"),
    (field.name, "模型", "is not a name"),
    (field.names, "a", "expected an array of names"),
    (field.names, ["a", 1], "expected a string in quotes"),
    (field.names, ["a", "b", "a"], '"a" is listed twice'),
    (field.upstream_name, "", "is not a model's name"),
    (field.upstream_name, "a b", "no blanks"),
    (field.upstream_name, "a\tb", "no blanks"),
    (field.upstream_name, "a" * 257, "1 to 256"),
    (TEXT, "two\nlines", "one line of at most 10 characters"),
    (TEXT, "x" * 11, "at most 10"),
    (TEXT, "\u2028", "one line"),
    (COUNT, 0, "0 is out of range; expected 1 to 10"),
    (COUNT, 11, "11 is out of range"),
    (COUNT, "5", "a whole number without quotes, got a string"),
    (COUNT, 5.0, "a whole number without quotes, got a number"),
    (COUNT, True, "got true or false"),
    (TIER, "fleks", "there is no tier 'fleks'; did you mean \"flex\"?"),
    (TIER, "gold", "expected one of test, flex, enterprise"),
    (TIER, 1, "expected a string in quotes"),
    (field.one_of(Kind), "Chat", 'did you mean "chat"?'),
    (field.base_url, "api.example.com", "not an http or https address"),
    (field.base_url, "ftp://example.com", "not an http or https address"),
    (field.base_url, "https://", "not an http or https address"),
    (field.base_url, "https://example.com/v1?key=1", r"without \? and #"),
    (field.base_url, "https://example.com/#", r"without \? and #"),
    (field.base_url, "https://exa mple.com", "has blanks"),
    (field.base_url, "https://example.com\n", "has blanks"),
    (field.base_url, "https://example.com/" + "a" * 500, "too long"),
    (field.base_url, "https://[::1", "not an address"),
    (field.base_url, "https://example.com:http", "not an address"),
    (field.base_url, "https://example.com:99999", "not an address"),
    (field.secret_reference, "env:", "env:NAME, the name of an environment variable"),
    (field.secret_reference, "env:MY-KEY", "env:NAME"),
    (field.secret_reference, "file: ", "file:PATH"),
    (field.secret_reference, "", "a secret does not belong in this file"),
    (field.secret_reference, 5, "a secret does not belong in this file"),
    (field.pool, "shred", 'did you mean "shared"'),
    (field.pool, "dedicated", "names its organization, as dedicated:ORG"),
    (field.pool, "dedicated:", "names its organization"),
    (field.pool, "dedicated: ", "names its organization"),
    (field.pool, "shared:acme", "names its organization"),
    (field.price, 2.5, 'write 2.5 in quotes, as "2.5"'),
    (field.price, 3, 'write 3 in quotes, as "3"'),
    (field.price, math.nan, "in quotes"),
    (field.price, True, "expected a string in quotes, got true or false"),
    (field.price, "", "is not a price"),
    (field.price, "-1", "is negative"),
    (field.price, "1e3", "is not a price"),
    (field.price, "1,5", "is not a price"),
    (field.price, "$1", "is not a price"),
    (field.price, "nan", "is not a price"),
    (field.price, "0.0000001", "too many decimal places"),
    (field.price, "1000001", "beyond the largest"),
    (field.moment, "2026-12-01T00:00:00Z", "without quotes"),
    (field.moment, dt.time(12), "expected a time"),
    (field.moment, 1_800_000_000, "expected a time"),
    (field.moment, dt.date(1969, 12, 31), "1970 to 9998"),
    (field.moment, dt.date(9999, 1, 1), "1970 to 9998"),
    (field.moment, dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), "1970 to 9998"),
]


@pytest.mark.parametrize(("read", "value", "result"), ACCEPTED)
def test_accepted(read: Callable[[object], object], value: object, result: object) -> None:
    assert read(value) == result


@pytest.mark.parametrize(("read", "value", "says"), REFUSED)
def test_refused(read: Callable[[object], object], value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (field.secret_reference, "sk-proj-0123456789abcdef"),
        (field.secret_reference, "env:sk-proj-0123456789abcdef"),
        (field.secret_reference, "https:sk-proj-0123456789abcdef"),
        (field.base_url, "https://user:sk-proj-0123456789abcdef@example.com/v1"),
        (field.base_url, "https://sk-proj-0123456789abcdef@example.com/v1"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(read: Callable[[object], object], value: str) -> None:
    with pytest.raises(field.FieldError) as refused:
        read(value)
    assert "0123456789" not in str(refused.value)


@given(st.integers(0, PRICE_MAX))
def test_every_price_survives_being_written(micro: int) -> None:
    assert field.price(f"{micro // MICRO}.{micro % MICRO:06}") == micro


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(9998, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001 - bounds
def test_times_are_exact(value: dt.datetime) -> None:
    assert field.moment(value) == from_datetime(value)
