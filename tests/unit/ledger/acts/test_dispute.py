import pytest
from postings import ACT, rows, spelled

from puyun.kit.money import TOPUP_MAX
from puyun.ledger.acts.dispute import Dispute, lost, opened, won

TABLE = f"""
open 50 paid=100 free=100        | chargeback dispute:k: wallet.paid > processor:stripe 50; 0 of debt
open 50 paid=100 free=100 fee=15 | chargeback dispute:k: wallet.paid > processor:stripe 50, fees > processor:stripe 15; 0 of debt
open 50 paid=30 free=100         | chargeback dispute:k: wallet.paid > processor:stripe 30, receivable:disputes > processor:stripe 20; 20 of debt
open 50 paid=100 free=20         | chargeback dispute:k: wallet.paid > processor:stripe 20, receivable:disputes > processor:stripe 30; 30 of debt
open 50 paid=0 free=0            | chargeback dispute:k: receivable:disputes > processor:stripe 50; 50 of debt
open 50 paid=-9 free=40          | chargeback dispute:k: receivable:disputes > processor:stripe 50; 50 of debt
open 0 paid=100 free=100         | refused amount 0 of {TOPUP_MAX}
open 50 paid=1 free=1 fee=-1     | refused amount 50 of {TOPUP_MAX}
won 50 debt=0                    | chargeback_won dispute:k:won: processor:stripe > wallet.paid 50
won 50 debt=20                   | chargeback_won dispute:k:won: processor:stripe > wallet.paid 30, processor:stripe > receivable:disputes 20
won 50 debt=50                   | chargeback_won dispute:k:won: processor:stripe > receivable:disputes 50
lost 50 debt=20                  | write_off dispute:k:lost: bad_debt > receivable:disputes 20
lost 50 debt=0                   | refused nothing 0 of 0
"""


@pytest.mark.parametrize(("asked", "answer"), rows(TABLE))
def test_chargebacks(asked: list[str], answer: str) -> None:
    verb, amount, *words = asked
    fields = {name: int(value) for name, value in (word.split("=") for word in words)}
    dispute = Dispute(
        org=7, amount=int(amount), processor="stripe", fee=fields.get("fee", 0), debt=fields.get("debt", 0)
    )
    if verb == "open":
        assert spelled(opened(dispute, fields["paid"], fields["free"], ACT)) == answer
    else:
        assert spelled((won if verb == "won" else lost)(dispute, ACT)) == answer
