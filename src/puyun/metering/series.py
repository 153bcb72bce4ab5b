"""Several reports within one answer become one reading; they are never added up.

Each report tells what was used so far, so a later one contains the earlier ones. A provider may send one with every
chunk, twice, late, or input first and output last. The rule, for input and output each on its own side:

| rule    | which report counts                                                          | dialects          |
|---------|------------------------------------------------------------------------------|-------------------|
| LARGEST | the one with the most tokens on this side; of equals the later               | OpenAI, Anthropic |
| LAST    | the last one that has any tokens on this side                                | Gemini            |

A side is always taken whole from one report: taken bucket by bucket, tokens that moved from `input` to `cached_input`
between two reports would count twice.
"""

from enum import StrEnum

import msgspec

from puyun.metering.reading import UNKNOWN_MAX, Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import INPUT_BUCKETS, NO_USAGE, OUTPUT_BUCKETS, Usage


class Rule(StrEnum):
    LARGEST = "largest"
    LAST = "last"


class Series:
    """Feed readings as they come; `reading` is what they say together, None before the first."""

    def __init__(self, rule: Rule = Rule.LARGEST) -> None:
        self._largest = rule is Rule.LARGEST
        self._input: Reading | None = None
        self._output: Reading | None = None
        self._shrank = False

    def add(self, reading: Reading) -> None:
        usage = reading.usage
        if self._input is None or self._counts(self._input.usage.input_tokens, usage.input_tokens):
            self._input = reading
        if self._output is None or self._counts(self._output.usage.output_tokens, usage.output_tokens):
            self._output = reading

    def _counts(self, before: int, now: int) -> bool:
        """Whether a later report takes the place of an earlier one. What is not repeated is not a shrinking."""
        if not now:
            return False
        self._shrank = self._shrank or (self._largest and now < before)
        return now >= before or not self._largest

    @property
    def reading(self) -> Reading | None:
        if self._input is None or self._output is None:
            return None
        shrank = Flag.ANOMALY if self._shrank else NO_FLAGS
        if self._input is self._output and not shrank:
            return self._input
        unknown = dict.fromkeys(self._input.unknown + self._output.unknown)
        flags = self._input.flags | self._output.flags | shrank
        return Reading(_sides(self._input.usage, self._output.usage), flags, tuple(unknown)[:UNKNOWN_MAX])


def conclude(reported: Reading | None, counted: Usage, *, since: int = 0) -> Reading:
    """What a call used: as reported, as far as anything was, and counted from the text for the rest, which says so.

    `counted` are input and output tokens by our own estimate. `since`: output tokens by the same estimate that came
    after the last report, where the answer was cut off before its end. A report of nothing is no report.
    """
    if reported is None or (counted.total and not reported.usage.total):
        return Reading(counted, Flag.ESTIMATED)
    usage = reported.usage
    if since <= 0:
        return reported
    known = usage if usage.input_tokens else counted
    spoken = msgspec.structs.replace(usage, output=usage.output + since)
    return Reading(_sides(known, spoken), reported.flags | Flag.ESTIMATED, reported.unknown)


def bounded(reading: Reading, input_held: int, output_held: int) -> Reading:
    """What is only guessed never costs more than what was held for it (policy 13)."""
    if not reading.flags & Flag.ESTIMATED:
        return reading
    return Reading(reading.usage.at_most(input_held, output_held), reading.flags, reading.unknown)


def unless_empty(reading: Reading, *, said: bool) -> Reading:
    """An answer without a word is free (policy 11), unless its tokens went into thought or sound."""
    usage = reading.usage
    if said or usage.reasoning or usage.audio_output:
        return reading
    return Reading(NO_USAGE, Flag.EMPTY, reading.unknown)


def _sides(inputs: Usage, outputs: Usage) -> Usage:
    sides = {bucket: getattr(inputs, bucket) for bucket in INPUT_BUCKETS}
    return Usage(**sides, **{bucket: getattr(outputs, bucket) for bucket in OUTPUT_BUCKETS})
