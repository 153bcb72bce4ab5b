"""What the gateway makes of the ledger's answer to a settle."""

import msgspec
import pytest

from puyun.gateway.finish import _accept
from puyun.kit.errors import PuyunError
from puyun.ledger.command import Reason, Refused, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.metering.usage import Usage

RECORD = UsageRecord(
    org=1, call=2, key=3, model=4, deployment=5, tier="flex", tier_requested="flex", status=Status.COMPLETED,
    usage=Usage(input=3), exact=7_500_000, held=10_000, price_ids="1",
)  # fmt: skip
EXPIRED = Settled(0, 0, 99, 0)
"""What the books say of a call whose process was taken for dead."""


def test_a_settle_that_charged_is_accepted() -> None:
    settled = Settled(7_500, 0, 99, 1)
    assert _accept(settled, RECORD) is settled


def test_nothing_charged_for_what_costs_nothing_is_accepted() -> None:
    assert _accept(EXPIRED, msgspec.structs.replace(RECORD, exact=999)) is EXPIRED


@pytest.mark.parametrize("outcome", [Refused(Reason.NO_HOLD), EXPIRED])
def test_a_call_that_was_swept_meanwhile_does_not_complete(outcome: Refused | Settled) -> None:
    with pytest.raises(PuyunError) as raised:
        _accept(outcome, RECORD)
    assert raised.value.status == 503
