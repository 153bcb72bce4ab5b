"""Figures of llama.cpp's `timings`, which it sends with every answer, even where it sends no usage."""

from puyun.metering.reading import Reader, Reading, Report
from puyun.metering.usage import Usage


def read_timings(timings: Report) -> Reading:
    """`prompt_n` tokens were worked through, `cache_n` more were in the slot already, `predicted_n` were made."""
    reader = Reader()
    return reader.reading(
        Usage(
            input=reader.count(timings, "prompt_n"),
            cached_input=reader.count(timings, "cache_n"),
            output=reader.count(timings, "predicted_n"),
        )
    )
