from puyun.catalog.model import Tier
from puyun.ledger.hold import Status
from puyun.storage.ledger.codes import STATUS_CODE, STATUS_NAME, TIER_CODE, TIER_NAME


def test_codes_are_what_they_were_since_rows_are_never_rewritten() -> None:
    assert {str(tier): code for tier, code in TIER_CODE.items()} == {"test": 1, "flex": 2, "enterprise": 3}
    assert {str(status): code for status, code in STATUS_CODE.items()} == {
        "completed": 1,
        "cancelled": 2,
        "cut": 3,
        "failed": 4,
        "crashed": 5,
    }


def test_every_name_has_a_code_and_comes_back_from_it() -> None:
    assert {TIER_NAME[TIER_CODE[tier]] for tier in Tier} == set(Tier)
    assert {STATUS_NAME[STATUS_CODE[status]] for status in Status} == set(Status)
