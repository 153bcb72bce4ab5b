"""A lane: one deployment as the scheduler sees it, with its seats and what its provider allows."""

import msgspec


class CostRatios(msgspec.Struct, frozen=True, gc=False):
    """What a token of each bucket weighs, in thousandths of a fresh input token; from the provider's price list."""

    cached: int = 100
    written: int = 1_250
    output: int = 4_000


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of a deployment. `rpm`, `itpm`, `otpm`: per minute, None when unbounded."""

    id: int
    pool: str = "shared"
    """`shared`, `enterprise` or `dedicated:ORG`."""
    owner: int | None = None
    """The organization's id, of a dedicated pool."""
    seats: int
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    own: bool = False
    """An engine of ours: breaking an attempt off is free, so Test's may be preempted there."""
    lend: bool = False
    """Of a dedicated or enterprise pool on an engine of ours: its idle seats may be lent to Test."""
    ratios: CostRatios = CostRatios()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's headers or an engine's metrics say of a lane; what is None was not said."""

    limit: dict[str, int] | None = None
    """Per minute, by bucket: `rpm`, `itpm`, `otpm`."""
    remaining: dict[str, int] | None = None
    capacity: int | None = None
    """Calls an engine works on at once: `max_num_seqs`, `max_running_requests`, `--parallel`."""
    waiting: int | None = None
    """Calls in the engine's own queue, which we keep near zero."""
    kv: int | None = None
    """Per mille of its key-value cache in use."""
