import pytest
from postings import ACT, rows, spelled

from puyun.kit.money import TOPUP_MAX
from puyun.ledger.acts.topup import Payment, payment_fee, top_up

TABLE = f"""
credit amount=100                          | topup k: processor:manual > wallet.paid 100
credit amount=100 processor=stripe         | topup k: processor:stripe > wallet.paid 100
credit amount=100 tax=19 area=DE           | topup k: processor:manual > wallet.paid 100, processor:manual > tax:DE 19
credit amount=100 fee=3                    | topup k: processor:manual > wallet.paid 100
credit amount={TOPUP_MAX}                  | topup k: processor:manual > wallet.paid {TOPUP_MAX}
credit amount=0                            | refused amount 0 of {TOPUP_MAX}
credit amount=-1                           | refused amount -1 of {TOPUP_MAX}
credit amount={TOPUP_MAX + 1}              | refused amount {TOPUP_MAX + 1} of {TOPUP_MAX}
credit amount=100 tax=-1 area=DE           | refused amount 100 of {TOPUP_MAX}
credit amount=100 tax=19                   | refused amount 100 of {TOPUP_MAX}
credit amount=100 area=DE                  | refused amount 100 of {TOPUP_MAX}
fee    amount=100 fee=3                    | fee k:fee: fees > processor:manual 3
fee    amount=100 tax=19 area=DE fee=119   | fee k:fee: fees > processor:manual 119
fee    amount=100 fee=3 processor=stripe   | fee k:fee: fees > processor:stripe 3
fee    amount=100 fee=0                    | refused amount 0 of 100
fee    amount=100 fee=-1                   | refused amount -1 of 100
fee    amount=100 fee=101                  | refused amount 101 of 100
"""


@pytest.mark.parametrize(("asked", "answer"), rows(TABLE))
def test_payments(asked: list[str], answer: str) -> None:
    verb, *words = asked
    fields = dict(word.split("=") for word in words)
    payment = Payment(
        **{name: value if name in {"area", "processor"} else int(value) for name, value in fields.items()}
    )
    template = {"credit": top_up, "fee": payment_fee}[verb]
    assert spelled(template(7, payment, ACT)) == answer
