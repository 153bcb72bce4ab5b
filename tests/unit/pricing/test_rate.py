import pytest
from prices import book

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import Rates
from puyun.pricing.rate import Charge, Line, lines, rate


def rates(prices: str) -> Rates:
    pairs = [word.split("=") for word in prices.split()]
    found = book("\n".join(f"{n} {meter} {price} from 0" for n, (meter, price) in enumerate(pairs, 1)))
    rates = found.rates("m", Tier.FLEX, Instant(0))
    assert rates is not None
    return rates


CHARGES = """
usage                              | prices                              | exact      | amount | unpriced
input=1000 output=100              | input=2500000 output=10000000       | 3500000000 | 3500000 |
input=1                            | input=999                           | 999        | 0      |
input=1                            | input=1000                          | 1000       | 1      |
input=1 output=1                   | input=999 output=999                | 1998       | 1      |
input=3 cached_input=7             | input=100 cached_input=10           | 370        | 0      |
input=3 cached_input=7             | input=100                           | 1000       | 1      |
cache_write=3 cache_write_1h=5     | input=100 cache_write=10            | 80         | 0      |
cache_write=3 cache_write_1h=5     | input=100 cache_write_1h=1000       | 5300       | 5      |
input=3 image_input=5              | input=100                           | 800        | 0      |
input=3 image_input=5              | input=100 image_input=1             | 305        | 0      |
output=3 reasoning=7               | input=1 output=100                  | 1000       | 1      |
output=3 reasoning=7               | input=1 output=100 reasoning=50     | 650        | 0      |
input=5 audio=2                    | input=1000                          | 5000       | 5      | audio
input=5 output=2                   | input=1000                          | 5000       | 5      | output
input=5 output=2 audio_output=9    | input=1000                          | 5000       | 5      | output audio_output
input=5                            | input=0                             | 0          | 0      |
                                   | input=7 output=9                    | 0          | 0      |
"""


@pytest.mark.parametrize("line", CHARGES.strip("\n").splitlines()[1:])
def test_charge(line: str) -> None:
    used, prices, exact, amount, unpriced = (part.strip() for part in line.split("|"))
    usage = Usage(**{bucket: int(tokens) for bucket, tokens in (word.split("=") for word in used.split())})
    found = rates(prices)
    assert rate(usage, found) == Charge(int(exact), int(amount), tuple(unpriced.split()))
    assert sum(line.exact for line in lines(usage, found)) == int(exact)


def test_a_receipt_s_lines_name_the_row_that_says_the_price() -> None:
    usage = Usage(input=3, cached_input=7, output=2, reasoning=1)
    assert lines(usage, rates("input=100 output=300 cached_input=10")) == [
        Line("input", 3, 1, 100, 300),
        Line("cached_input", 7, 3, 10, 70),
        Line("output", 2, 2, 300, 600),
        Line("reasoning", 1, 2, 300, 300),
    ]
