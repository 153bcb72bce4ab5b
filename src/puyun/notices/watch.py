"""The watch over a balance: told once when it falls through, armed again when it rises above (N2, N3)."""

import msgspec

from puyun.kit.money import NANO
from puyun.notices.kinds import Kind

EMPTY_BELOW = NANO // 100
"""A wallet is empty when less than a hundredth of its currency is left: that holds hardly any call."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """`threshold` in nano-units, None for none. `low`, `empty`: it has been told of, or there was nothing to fall from.
    `falls` counts what was told, so that each fall is an event of its own.
    """

    threshold: int | None = None
    low: bool = True
    empty: bool = True
    falls: int = 0


def look(watch: Watch, left: int) -> tuple[Watch, list[Kind]]:
    """The watch after a look at what is left (nano-units), and what is to be told.

    What open calls hold counts as left: holds come and go by the second, and would ring the bell each time.
    """
    low = watch.threshold is not None and _below(watch.low, left, watch.threshold)
    empty = _below(watch.empty, left, EMPTY_BELOW)
    kinds = [Kind.BALANCE_LOW] if low and not watch.low else []
    kinds += [Kind.BALANCE_EMPTY] if empty and not watch.empty else []
    after = Watch(
        threshold=watch.threshold,
        low=True if watch.threshold is None else low,
        empty=empty,
        falls=watch.falls + len(kinds),
    )
    return after, kinds


def set_threshold(watch: Watch, threshold: int | None, left: int) -> Watch:
    """A balance that is below already has not fallen through it: whoever sets it sees that."""
    low = threshold is None or left < threshold
    return Watch(threshold=threshold, low=low, empty=watch.empty, falls=watch.falls)


def _below(before: bool, left: int, threshold: int) -> bool:
    """On the threshold itself everything stays as it was."""
    return left < threshold or (before and left == threshold)
