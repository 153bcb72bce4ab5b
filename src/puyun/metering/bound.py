"""What to hold for a call before it is made: tight, because held money is money that cannot be used.

The bounds are good rather than absolute. A settle never takes more than hold and wallet (I10), so a bound that is too
low costs the operator a little, and one that is too high refuses calls that could have been paid.
"""

import msgspec

from puyun.metering.expectation import Expectation
from puyun.metering.media.attachment import NO_ATTACHMENTS, Attachments
from puyun.metering.ratio import PER, Ratios, Script
from puyun.metering.tokens import OUTPUT_DEFAULT, PER_MESSAGE


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A request as far as its size matters. `text`: bytes of its JSON without the attachments.

    `most`: where one answer ends at the latest; `ends`: whether that is the caller's word. `grows`: whether the hold can
    grow while the answer comes, which it can for a stream.
    """

    key: int
    model: str
    text: int
    script: Script
    most: int
    ends: bool = True
    messages: int = 1
    attachments: Attachments = NO_ATTACHMENTS
    answers: int = 1
    grows: bool = True


def first_hold(facts: Facts, ratios: Ratios, expectation: Expectation) -> tuple[int, int]:
    """Input tokens to hold for, and output tokens of all answers that the first step covers."""
    text = min(facts.text, -(-facts.text * ratios.most(facts.model, facts.script) // PER))
    inputs = text + facts.messages * PER_MESSAGE + facts.attachments.tokens(facts.model)
    return inputs, _first_step(facts, expectation) * facts.answers


def _first_step(facts: Facts, expectation: Expectation) -> int:
    """A whole answer cannot be cut: it is held for in full, or up to a default where nobody set an end."""
    if facts.grows:
        return expectation.first_step(facts.key, facts.model, facts.most)
    return facts.most if facts.ends else min(facts.most, OUTPUT_DEFAULT)
