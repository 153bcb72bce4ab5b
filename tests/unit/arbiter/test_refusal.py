import pytest

from puyun.arbiter.message import Refused
from puyun.arbiter.refusal import LIMIT, error_for
from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND
from puyun.limits.headers import retry as retry_headers
from puyun.scheduler.decision import Why


@pytest.mark.parametrize("why", list(Why))
@pytest.mark.parametrize(("tier", "status"), [(Tier.TEST, 429), (Tier.FLEX, 503), (Tier.ENTERPRISE, 503)])
def test_lack_of_capacity_says_when_to_come_again(why: Why, tier: Tier, status: int) -> None:
    error = error_for(Refused(0, why, 1_500_000), tier)
    assert (error.status, error.code) == (status, "capacity_unavailable")
    assert error.message.endswith("You were not charged; try again in 2 s.")
    assert error.headers == {"retry-after": "2", "retry-after-ms": "1500"}


def test_a_limit_names_scope_metric_limit_and_use() -> None:
    error = error_for(Refused(1, LIMIT, SECOND, "organization_model", "rpm", 300, 300), Tier.ENTERPRISE)
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert error.details == {"scope": "organization_model", "metric": "rpm", "limit": "300", "used": "300"}
    assert "The rpm limit of 300 for this organization × model is reached (300 used)." in error.message
    assert "x-should-retry" not in error.headers


def test_what_can_never_pass_is_not_to_be_tried_again() -> None:
    error = error_for(Refused(1, LIMIT, None, "key", "itpm", 10, 0), Tier.FLEX)
    assert error.headers == {"x-should-retry": "false"}
    assert "larger than the limit itself" in error.message


def test_those_who_were_refused_together_do_not_come_back_together() -> None:
    """Never earlier than it makes sense, a fifth later at most, and not the same for all."""
    calls = [Refused(ticket, LIMIT, 10 * SECOND, "key", "rpm", 10, 10) for ticket in range(7_000_000, 7_000_200)]
    told = [int(error_for(call, Tier.FLEX).headers["retry-after-ms"]) for call in calls]
    assert min(told) >= 10_000
    assert max(told) <= 12_000
    assert len(set(told)) > 50
    assert len({sum(lower <= each < lower + 500 for each in told) > 20 for lower in range(10_000, 12_000, 500)}) == 1


def test_waits_are_rounded_up_and_long_ones_not_left_to_clients() -> None:
    assert retry_headers(1) == {"retry-after": "1", "retry-after-ms": "1"}
    assert retry_headers(60 * SECOND) == {"retry-after": "60", "retry-after-ms": "60000"}
    assert retry_headers(60 * SECOND + 1)["x-should-retry"] == "false"
