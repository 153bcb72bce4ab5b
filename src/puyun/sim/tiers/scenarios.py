"""The scenarios there are, each the answer to a question. Loads are of all seats; a call keeps its seat for 4.6 s on average."""

from collections.abc import Sequence

from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.catalog.promise import WAIT
from puyun.kit.clock import HOUR, MINUTE, SECOND
from puyun.planning.erlang import seats_for
from puyun.sim.scenario import Bursts, Lengths, OnOff, Poisson, Recorded, Scenario, Source, Upstream, Wave
from puyun.sim.trace import Arrival

SEATS = 64
CONTRACT = 16
"""Seats that Enterprise's calls keep busy on average, at the peak of its contract."""

DEDICATED = seats_for(CONTRACT, mean=4_600_000, wait=WAIT[Tier.ENTERPRISE], part=0.99)

ENTERPRISE = (1,)
FLEX = tuple(range(11, 19))
TEST = tuple(range(31, 55))

_POOLS = (
    Upstream(id=1, pool="dedicated:1", owner=1, seats=DEDICATED, own=True),
    Upstream(id=2, seats=SEATS - DEDICATED, own=True),
)
_ONE_POOL = (Upstream(id=1, seats=SEATS),)

_ENTERPRISE = Source(name="contract", tier=Tier.ENTERPRISE, orgs=ENTERPRISE, load=CONTRACT / SEATS)
_FLEX = Source(name="flex", tier=Tier.FLEX, orgs=FLEX, load=0.4, process=Bursts(), patience=60 * SECOND)
_TEST = Source(name="test", tier=Tier.TEST, orgs=TEST, load=10.0, process=Bursts())


def _crowded(times: int, **changes: object) -> Scenario:
    scenario = Scenario(
        name=f"test-{times}",
        about=f"Enterprise within its contract, Flex at 40 % in bursts, Test asking for {times} times all seats.",
        upstreams=_POOLS,
        sources=(_ENTERPRISE, _FLEX, replace(_TEST, load=float(times))) if times else (_ENTERPRISE, _FLEX),
        until=4 * MINUTE,
    )
    return replace(scenario, **changes)


def _isolated(times: int) -> Scenario:
    """The same without lending, and Enterprise in its own pool alone."""
    source = replace(_ENTERPRISE, lanes=(1,))
    others = (_FLEX, replace(_TEST, load=float(times))) if times else (_FLEX,)
    return _crowded(
        times,
        name=f"apart-{times}",
        about=f"No seat is lent, Enterprise has its own pool alone, Test asks for {times} times all seats.",
        sources=(source, *others),
        lending=False,
    )


def _flood(times: int) -> Scenario:
    others = replace(_FLEX, orgs=FLEX[:-1], load=0.5 * 7 / 8, process=Poisson())
    loud = replace(_FLEX, name="flood", orgs=FLEX[-1:], load=0.5 / 8 * times, process=Poisson(), patience=None)
    return Scenario(
        name=f"flood-{times}",
        about=f"Eight Flex organizations alike at half of all seats, but that one asks for {times} times its part.",
        upstreams=_ONE_POOL,
        sources=(others, loud, replace(_TEST, load=1.0)),
        until=12 * MINUTE,
    )


_ALL: Sequence[Scenario] = (
    _crowded(0, about="Enterprise within its contract, Flex at 40 % in bursts, no Test."),
    _crowded(1),
    _crowded(10),
    _crowded(100, until=2 * MINUTE),
    _isolated(0),
    _isolated(10),
    _crowded(
        10,
        name="burst",
        about="Enterprise bursts to 1.6 times its contract, above the seats of its pool; Test ten times all seats.",
        sources=(replace(_ENTERPRISE, process=Bursts()), _FLEX, _TEST),
    ),
    Scenario(
        name="one-pool",
        about="No dedicated seats: what order alone gives. Enterprise 25 %, Flex 40 %, Test 1,000 %.",
        upstreams=_ONE_POOL,
        sources=(replace(_ENTERPRISE, process=Bursts()), _FLEX, _TEST),
        until=4 * MINUTE,
    ),
    Scenario(
        name="fair",
        about="24 Test organizations, the last asking for 24 times what the first asks for; all have calls waiting.",
        upstreams=_ONE_POOL,
        sources=(replace(_TEST, load=25.0, process=Poisson(), shares=tuple(range(1, 25))),),
        until=8 * MINUTE,
        warm=MINUTE,
    ),
    Scenario(
        name="weights",
        about="Flex organizations whose weights are 1, 2 and 4, all with calls waiting.",
        upstreams=_ONE_POOL,
        sources=(replace(_FLEX, orgs=FLEX[:6], load=8.0, process=Poisson()),),
        weights=dict(zip(FLEX[:6], (1, 1, 2, 2, 4, 4), strict=True)),
        until=8 * MINUTE,
        warm=MINUTE,
    ),
    Scenario(
        name="starving",
        about="Enterprise asks for twice all seats, Flex for 45 %, Test for five times: nobody is to be shut out.",
        upstreams=_ONE_POOL,
        sources=(
            replace(_ENTERPRISE, load=2.0),
            replace(_FLEX, load=0.45, process=Poisson(), patience=None),
            replace(_TEST, load=5.0),
        ),
        until=5 * MINUTE,
        warm=MINUTE,
    ),
    _flood(1),
    _flood(20),
    _crowded(
        2,
        name="on-off",
        about="Flex calls for ten seconds and is silent for twenty; Test takes what lies idle.",
        sources=(_ENTERPRISE, replace(_FLEX, process=OnOff(10 * SECOND, 20 * SECOND)), replace(_TEST, load=2.0)),
    ),
    _crowded(
        3,
        name="heavy-tail",
        about="Three answers in a hundred are 8,000 tokens and more.",
        sources=tuple(
            replace(each, lengths=Lengths(tail=30), load=load)
            for each, load in ((_ENTERPRISE, 0.2), (_FLEX, 0.4), (_TEST, 3.0))
        ),
        until=6 * MINUTE,
    ),
    _crowded(
        10,
        name="lying",
        about="Half of Test's organizations say max_tokens 16,384 whatever they need.",
        sources=(
            _ENTERPRISE,
            _FLEX,
            replace(_TEST, load=5.0, orgs=TEST[:12]),
            replace(_TEST, name="lying", load=5.0, orgs=TEST[12:], overstated=1.0),
        ),
    ),
    _crowded(
        3,
        name="retry-storm",
        about="Test's clients try five times more, half a second after each refusal, whatever they are told.",
        sources=(_ENTERPRISE, _FLEX, replace(_TEST, load=3.0, retries=5, impatient=True)),
    ),
    Scenario(
        name="slow-lane",
        about="Of two shared lanes one takes four times as long from the second minute to the third.",
        upstreams=(
            Upstream(id=1, seats=32),
            Upstream(id=2, seats=32, slower=((MINUTE, 400), (2 * MINUTE, 100))),
        ),
        sources=(
            replace(_ENTERPRISE, load=0.15),
            replace(_FLEX, load=0.35, process=Poisson()),
            replace(_TEST, load=1.0),
        ),
        until=4 * MINUTE,
    ),
    Scenario(
        name="all-429",
        about="Every lane answers 429 for half a minute, as when a provider is down.",
        upstreams=tuple(
            Upstream(id=lane, seats=32, allows=((0, 1_000), (MINUTE, 0), (MINUTE + 30 * SECOND, 1_000)))
            for lane in (1, 2)
        ),
        sources=(
            replace(_ENTERPRISE, load=0.15),
            replace(_FLEX, load=0.35, process=Poisson()),
            replace(_TEST, load=1.0),
        ),
        until=4 * MINUTE,
    ),
    Scenario(
        name="hidden-limit",
        about="A lane that is said to have 64 seats answers 429 beyond 20, and beyond 40 from the sixth minute on.",
        upstreams=(Upstream(id=1, seats=SEATS, allows=((0, 20), (5 * MINUTE, 40))),),
        sources=(replace(_FLEX, load=1.5, process=Poisson()),),
        until=8 * MINUTE,
        warm=MINUTE,
    ),
    Scenario(
        name="limits",
        about="Organizations that ask for more than their tier's default limits, and seats enough for all of them.",
        upstreams=_ONE_POOL,
        sources=(
            replace(_ENTERPRISE, load=0.2),
            replace(_FLEX, load=1.0, orgs=FLEX[:2], process=Poisson(), patience=None),
            replace(_TEST, load=1.0, orgs=TEST[:4], process=Poisson()),
        ),
        until=10 * MINUTE,
        limits=True,
    ),
    Scenario(
        name="month",
        about="Thirty days, each drawn together into 24 minutes: busy at noon, quiet at midnight; eight seats.",
        upstreams=(
            Upstream(id=1, pool="dedicated:1", owner=1, seats=4, own=True),
            Upstream(id=2, seats=4, own=True),
        ),
        sources=tuple(
            replace(each, load=load, process=Wave(24 * MINUTE))
            for each, load in ((_ENTERPRISE, 0.15), (_FLEX, 0.25), (_TEST, 0.5))
        ),
        until=12 * HOUR,
    ),
)

SCENARIOS = {each.name: each for each in _ALL}


def recorded(arrivals: Sequence[Arrival]) -> Scenario:
    """A trace of real calls, as Enterprise's, Flex's and Test's: each plays it from elsewhere and at its own pace.

    Raises ValueError for one that takes no time.
    """
    if not arrivals or arrivals[0].at == arrivals[-1].at:
        raise ValueError("fewer than two calls at different times")
    process = Recorded(tuple(arrivals))
    return _crowded(
        10,
        name="trace",
        about="A recorded trace: Enterprise 25 %, Flex 40 %, Test 1,000 % of all seats, each at its own pace.",
        sources=tuple(replace(each, process=process) for each in (_ENTERPRISE, _FLEX, _TEST)),
    )
