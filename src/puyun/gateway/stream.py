"""A stream's events on their way through: counted, checked, and let pass. Pure; `relay` does the waiting.

Bytes pass untouched wherever they can. Held back are usage and `[DONE]`, because they complete the call, and no call
completes before its settle is durable (I12).
"""

from collections.abc import Callable

import msgspec

from puyun.catalog.model import Tier
from puyun.metering.reading import Reading, Report
from puyun.metering.record import Flag
from puyun.metering.series import Series, conclude
from puyun.metering.shapes.openai import read_openai
from puyun.metering.tokens import estimate
from puyun.metering.usage import NO_USAGE, Usage
from puyun.protocol import openai, sse


class StreamFilter:
    """Feed the provider's bytes, get the bytes the client should have now."""

    def __init__(
        self,
        *,
        tier: Tier,
        names: openai.Rename,
        wants_usage: bool,
        read: Callable[[Report], Reading] = read_openai,
    ) -> None:
        self._splitter = sse.EventSplitter()
        self._tier = tier
        self._names = names
        self._renames = names.upstream != names.public
        self._wants_usage = wants_usage
        self._read = read
        self._reports = Series()
        self._produced_when_reported = 0
        self._first = b""
        self._usage_event = b""
        self._ascii_size = 0
        self._other_size = 0
        self._chunks = 0
        self.shortened = False
        """A choice ended because it reached `max_tokens`."""
        self.filtered = False
        """A choice was stopped by the provider's filter."""
        self.done = False
        """`[DONE]` was seen: nothing after it counts."""
        self.stopped = False
        """A choice gave its finish reason: an end without `[DONE]` is an end all the same."""
        self.failed = False
        """The provider reported an error in mid-stream, or what it sent is no chunk."""

    def feed(self, piece: bytes) -> bytes:
        """Raises sse.EventTooLongError."""
        passed: list[bytes] = []
        for event in self._splitter.feed(piece):
            if self.done or self.failed:
                break
            data = sse.payload(event)
            if not data.startswith(b"{"):
                data = data.strip()
            if data.startswith(b"{"):
                event = self._chunk(event, data)  # noqa: PLW2901 - the event in its new form
            elif data == b"[DONE]":
                self.done = True
                break
            if event:
                passed.append(event)
        return b"".join(passed)

    def _chunk(self, event: bytes, data: bytes) -> bytes:
        """The chunk as the client should see it; empty when it is held back."""
        try:
            chunk = openai.decode_chunk(data)
        except msgspec.ValidationError:
            return event  # JSON, of a shape we do not know
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.failed = True
            return b""
        if chunk.error is not None:
            self.failed = True
            return b""
        if chunk.usage is not None:
            self._reports.add(self._read(chunk.usage))
            if not chunk.choices:
                self._produced_when_reported = self.produced
                self._usage_event = data
                return b""
            if not self._wants_usage:
                data = openai.without_usage(data)
                event = sse.encode(data)
        for choice in chunk.choices or ():
            self._count(openai.said(choice))
            if choice.finish_reason is not None:
                self.stopped = True
                self.shortened = self.shortened or choice.finish_reason == "length"
                self.filtered = self.filtered or choice.finish_reason == "content_filter"
        if chunk.usage is not None:
            self._produced_when_reported = self.produced
        first = not self._first
        if first:
            self._first = data
        if first or self._renames or chunk.usage is not None or b'"service_tier"' in data:
            return sse.encode(openai.encode_answer(data, self._tier, None, self._names))
        return event

    def _count(self, text: str) -> None:
        if text:
            self._chunks += 1
        if text.isascii():
            self._ascii_size += len(text)
        else:
            self._other_size += len(text.encode("utf-8", "replace"))

    @property
    def produced(self) -> int:
        """Output tokens so far, as well as can be told: providers send one or more in each chunk."""
        guess = estimate(self._ascii_size, ascii_only=True) + estimate(self._other_size, ascii_only=False)
        return max(guess, self._chunks)

    @property
    def said(self) -> bool:
        """Whether anything of the answer has been let through."""
        return bool(self._ascii_size or self._other_size)

    @property
    def complete(self) -> bool:
        """Whether the answer may be called whole once the provider has closed in good order."""
        return not self.failed and (self.done or self.stopped)

    def close(self, input_estimate: int) -> Reading:
        """What was used: as reported, or else as counted from what was let through, and then it says so."""
        counted = Usage(input=input_estimate, output=self.produced) if self.said else NO_USAGE
        since = 0 if self.complete else self.produced - self._produced_when_reported
        return conclude(self._reports.reading, counted, since=since)

    def usage_event(self, reading: Reading, cost: str) -> bytes:
        """What was used and what it cost, for a client that asked; empty for any other."""
        if not self._wants_usage:
            return b""
        if self._usage_event and Flag.ESTIMATED not in reading.flags:
            return sse.encode(openai.encode_answer(self._usage_event, self._tier, cost, self._names))
        return sse.encode(openai.usage_chunk(self._first, _report_of(reading.usage), cost, self._tier))

    def cut_event(self) -> bytes:
        """The chunk that ends an answer which had no end of its own; empty where the provider ended it."""
        return b"" if self.stopped else sse.encode(openai.length_chunk(self._first))

    def ending(self, reading: Reading, cost: str) -> bytes:
        """The events that complete the answer."""
        return self.usage_event(reading, cost) + sse.DONE


def _report_of(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total,
    }
