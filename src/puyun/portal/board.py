"""The price list in force, worked out once a change."""

from collections.abc import Callable, Sequence
from typing import Protocol

from puyun.catalog.model import Model
from puyun.kit.clock import Clock
from puyun.pricing.offers import OfferList, list_offers
from puyun.pricing.pricebook import PriceBook


class PriceSource(Protocol):
    """What the data plane bills by at this moment; pages read the very same object."""

    @property
    def models(self) -> Sequence[Model]: ...

    @property
    def book(self) -> PriceBook: ...

    @property
    def revision(self) -> int: ...


class PriceBoard:
    """`source` gives the snapshot in force; cheap to call."""

    def __init__(self, source: Callable[[], PriceSource], clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._offers: OfferList | None = None

    def source(self) -> PriceSource:
        return self._source()

    def current(self) -> OfferList:
        """The offers at this moment; a new list whenever the catalogue changed or an announced price took effect."""
        source, now, offers = self._source(), self._clock.now(), self._offers
        valid = offers is not None and offers.revision == source.revision
        if offers is None or not valid or (offers.until is not None and now >= offers.until):
            offers = self._offers = list_offers(source.models, source.book, revision=source.revision, now=now)
        return offers
