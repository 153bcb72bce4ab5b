"""The catalogue of a test platform: one public model for each behaviour of the mock upstream, under the same name."""

TIERS = ("test", "flex", "enterprise")

INPUT = 2_500_000
"""Price of every mock model at every tier, micro-units per million tokens: 2.50."""

CACHED = 250_000
OUTPUT = 10_000_000

MODELS = (
    "mock",
    "mock-tokens-0",
    "mock-tokens-0-filtered",
    "mock-tokens-1",
    "mock-tokens-50",
    "mock-tokens-5000",
    "mock-delay-300",
    "mock-delay-1500-tokens-50",
    "mock-gate",
    "mock-chunk-delay-20-tokens-50",
    "mock-chunk-delay-100-tokens-20",
    "mock-chunk-delay-20-tokens-5000",
    "mock-chunk-delay-1-tokens-4000",
    "mock-status-400",
    "mock-status-401",
    "mock-status-404",
    "mock-status-422",
    "mock-status-429",
    "mock-status-500",
    "mock-status-302",
    "mock-die-before",
    "mock-die-midstream",
    "mock-reset-midstream",
    "mock-stall",
    "mock-stall-midstream",
    "mock-truncated",
    "mock-until-close",
    "mock-garbage",
    "mock-bad-json",
    "mock-endless-line",
    "mock-flood-64-tokens-1000",
    "mock-flood-1-tokens-50",
    "mock-crlf",
    "mock-comments",
    "mock-comments-crlf-split",
    "mock-error-midstream",
    "mock-whole",
    "mock-split",
    "mock-no-usage",
    "mock-usage-twice",
    "mock-usage-every",
    "mock-usage-late",
    "mock-tools",
    "mock-cached",
    "mock-reasoning",
    "mock-unknown-fields",
    "mock-factor-1000",
)
FLEX_ONLY = "mock-flex-only"
UNPRICED = "mock-unpriced"
CHANGING = "mock-changing-price"
"""The one whose price a test may change."""

FAILOVER = "mock-failover"
"""Its first deployment always fails, its second answers."""

ONE_SEAT = "mock-one-seat"
"""One call at a time, which waits for its gate."""


OWN_SEAT = "mock-own-seat"
"""The same on an engine of ours, whose calls may be broken off."""

LIMITED = ("mock-limited-whole", "mock-limited-stream", "mock-limited-test")
"""At their limit. A lane that said so is left alone for a while, so each is for one test."""

PRESSED = "mock-pressed"
"""Its first deployment always has too much to do, its second answers."""


def one_more(name: str) -> str:
    """A model to add to the file."""
    return "\n".join([_deployment(name, "mock"), _model(name, "chat", name), *(_price(name, tier) for tier in TIERS)])


def small_catalogue(base_url: str, models: tuple[str, ...]) -> str:
    """These models alone, at Flex."""
    parts = [_provider(base_url)]
    for name in models:
        parts += [_deployment(name, name), _model(name, "chat", name), _price(name, "flex")]
    return "\n".join(parts)


def engine_catalogue(base_url: str, model: str, *, seats: int) -> str:
    """A model more, at an engine of the operator's own; its calls wait for their gates."""
    parts = [_provider(base_url).replace('"mock"', '"engine"', 1), 'engine = "vllm"']
    parts += [_deployment(model, "mock-gate", seats=seats).replace('"mock"', '"engine"')]
    return "\n".join([*parts, _model(model, "chat", model), _price(model, "flex")])


def catalogue(base_url: str) -> str:
    """As a file (DESIGN 4.3)."""
    parts = [_provider(base_url)]
    for name in (*MODELS, FLEX_ONLY, UNPRICED, CHANGING):
        upstream = name if name in MODELS else "mock"
        parts += [_deployment(name, upstream), _model(name, "chat", name)]
        tiers = {FLEX_ONLY: ("flex",), UNPRICED: ()}.get(name, TIERS)
        parts += [_price(name, tier) for tier in tiers]
    for name in (FAILOVER, ONE_SEAT, OWN_SEAT, PRESSED):
        parts += [_price(name, tier) for tier in TIERS]
    parts += [_model(FAILOVER, "chat", "mock-status-500", "mock-die-before", "mock")]
    parts += [_deployment(ONE_SEAT, "mock-gate", seats=1), _model(ONE_SEAT, "chat", ONE_SEAT)]
    parts += [_deployment(OWN_SEAT, "mock-gate", seats=1), "own = true", _model(OWN_SEAT, "chat", OWN_SEAT)]
    for name in LIMITED:
        parts += [_deployment(name, "mock-status-429"), _model(name, "chat", name)]
        parts += [_price(name, tier) for tier in TIERS]
    parts += [_deployment(PRESSED, "mock-status-429"), _model(PRESSED, "chat", PRESSED, "mock")]
    parts += [_deployment("mock-embedding", "mock"), _model("mock-embedding", "embedding", "mock-embedding")]
    parts += [f'[[prices]]\nmodel = "mock-embedding"\ntier = "{tier}"\ninput = "0.0005"\n' for tier in TIERS]
    return "\n".join(parts)


def _provider(base_url: str) -> str:
    return f'[[providers]]\nname = "mock"\ndialect = "openai"\nbase_url = "{base_url}"\napi_key = "env:MOCK_KEY"\n'


def _deployment(name: str, upstream: str, *, seats: int = 1000) -> str:
    return f"""
[[deployments]]
name = "{name}@mock"
provider = "mock"
upstream_model = "{upstream}"
pool = "shared"
seats = {seats}
"""


def _model(name: str, kind: str, *deployments: str) -> str:
    names = ", ".join(f'"{deployment}@mock"' for deployment in deployments)
    return f"""
[[models]]
name = "{name}"
kind = "{kind}"
context_length = 128000
max_output = 8192
deployments = [{names}]
"""


def _price(model: str, tier: str) -> str:
    return f'[[prices]]\nmodel = "{model}"\ntier = "{tier}"\ninput = "2.50"\ncached_input = "0.25"\noutput = "10.00"\n'
