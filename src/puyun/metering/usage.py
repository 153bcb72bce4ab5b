"""Usage: how many tokens of each kind a call consumed. Buckets are disjoint and add up to what the provider reported."""

import msgspec

INPUT_BUCKETS = ("input", "cached_input", "cache_write", "cache_write_1h", "audio", "image_input")
OUTPUT_BUCKETS = ("output", "reasoning", "audio_output")
BUCKETS = INPUT_BUCKETS + OUTPUT_BUCKETS
"""Every bucket is a meter of the price book by the same name."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens by bucket. `input`: neither read from nor written to a cache, and not of a kind of its own.

    `cache_write` is kept five minutes (or as long as the provider likes), `cache_write_1h` an hour. `image_input` are
    tokens of images that the provider reports apart; generated images are no tokens, their meter is `image`.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    audio: int = 0
    image_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0

    @property
    def input_tokens(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.cache_write_1h + self.audio + self.image_input

    @property
    def output_tokens(self) -> int:
        return self.output + self.reasoning + self.audio_output

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens

    def at_most(self, inputs: int, outputs: int) -> "Usage":
        """No more than so many tokens on either side; the buckets that come last lose theirs first."""
        if self.input_tokens <= inputs and self.output_tokens <= outputs:
            return self
        return Usage(**_first(self, INPUT_BUCKETS, inputs), **_first(self, OUTPUT_BUCKETS, outputs))


def _first(usage: Usage, buckets: tuple[str, ...], most: int) -> dict[str, int]:
    kept: dict[str, int] = {}
    for bucket in buckets:
        kept[bucket] = min(getattr(usage, bucket), max(most, 0))
        most -= kept[bucket]
    return kept


NO_USAGE = Usage()
