"""The demonstration's catalogue: TOML text (docs/reference/catalogue.md), ready for `catalog apply`."""

from puyun.localmodel.availability import SMOLLM2, Available, Unavailable
from puyun.localmodel.engine import CONTEXT, MAX_OUTPUT

PROVIDER = "local"
"""The provider whose address the supervisor tells; the one in the catalogue is a place-holder."""

ECHO_MODEL = "puyun/echo"

_PRICES = {"test": ("0.018", "0.036"), "flex": ("0.02", "0.04"), "enterprise": ("0.023", "0.046")}
"""Input and output for each tier: small, and not zero, so that wallet and usage move."""

_LOCAL = """\
# The port is known only while the model runs: puyun serve puts it in.
[[providers]]
name = "local"
dialect = "openai"
base_url = "http://127.0.0.1/v1"

[[deployments]]
name = "{name}@local"
provider = "local"
upstream_model = "{name}"
seats = 4

[[deployments]]
name = "{name}-embed@local"
provider = "local"
upstream_model = "{name}-embed"
seats = 2

[[models]]
name = "{name}"
kind = "chat"
context_length = {context}
max_output = {output}
deployments = ["{name}@local"]
vendor = "{vendor}"
label = "demonstration model{size}, often wrong"
description = "Runs inside this server, so that everything can be tried without a provider. Not for real work."

[[models]]
name = "{name}-embed"
kind = "embedding"
context_length = {context}
deployments = ["{name}-embed@local"]
vendor = "{vendor}"
label = "demonstration embeddings{size}, poor at meaning"
description = "The state of a chat model after its last token: real vectors and real usage, poor search results."
"""

_ECHO = """\
[[providers]]
name = "echo"
dialect = "echo"

[[deployments]]
name = "puyun/echo@echo"
provider = "echo"
upstream_model = "echo"
seats = 4

[[models]]
name = "puyun/echo"
kind = "chat"
context_length = {context}
max_output = {output}
deployments = ["puyun/echo@echo"]
vendor = "Puyun"
label = "demonstration, not a model: says back what it is told"
description = "Takes the embedded model's place where that cannot run. Counts words as tokens."
"""


def catalog(found: Available | Unavailable) -> str:
    """Providers, deployments, models and prices in all three tiers: the local model's, or the echo's in its place."""
    if isinstance(found, Unavailable):
        return _ECHO.format(context=CONTEXT, output=MAX_OUTPUT) + _chat_prices(ECHO_MODEL)
    packaged = found.name == SMOLLM2
    text = _LOCAL.format(
        name=found.name,
        context=CONTEXT,
        output=MAX_OUTPUT,
        vendor="Hugging Face" if packaged else "",
        size=", 135 M parameters" if packaged else "",
    )
    return text + _chat_prices(found.name) + _embedding_prices(f"{found.name}-embed")


def _chat_prices(model: str) -> str:
    return "".join(
        f'\n[[prices]]\nmodel = "{model}"\ntier = "{tier}"\ninput = "{told}"\noutput = "{said}"\n'
        for tier, (told, said) in _PRICES.items()
    )


def _embedding_prices(model: str) -> str:
    return "".join(
        f'\n[[prices]]\nmodel = "{model}"\ntier = "{tier}"\ninput = "{told}"\n' for tier, (told, _) in _PRICES.items()
    )
