"""Several reports in one answer, a report that is missing, and an answer that was cut before its report."""

import pytest

from puyun.metering.reading import Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.series import Rule, Series, bounded, conclude, unless_empty
from puyun.metering.usage import NO_USAGE, Usage

SERIES = """
rule    | reports, in the order in which they come               | read as                        | flags
largest | input=9 output=1; input=9 output=5                     | input=9 output=5               |
largest | input=9 output=5; input=9 output=5                     | input=9 output=5               |
largest | input=9; output=5                                      | input=9 output=5               |
largest | output=5; input=9                                      | input=9 output=5               |
largest | input=9 output=5; input=9 output=3                     | input=9 output=5               | anomaly
largest | input=9; input=4 cached_input=5                        | input=4 cached_input=5         |
largest | input=4 cached_input=5; input=9                        | input=9                        |
largest | input=4 cached_input=6; input=9                        | input=4 cached_input=6         | anomaly
largest | output=2 reasoning=8; output=10                        | output=10                      |
largest |                                                        |                                |
largest | ; input=1 output=1;                                    | input=1 output=1               |
last    | input=9 output=1; input=9 output=5                     | input=9 output=5               |
last    | input=9 output=5 reasoning=9; input=9 output=6         | input=9 output=6               |
last    | input=9 output=5; input=8                              | input=8 output=5               |
last    | input=9 output=5;                                      | input=9 output=5               |
"""


def usage_of(words: str) -> Usage:
    return Usage(**{bucket: int(tokens) for bucket, tokens in (word.split("=") for word in words.split())})


@pytest.mark.parametrize("line", SERIES.strip().splitlines()[1:])
def test_reports_of_one_answer_are_never_added_up(line: str) -> None:
    rule, reports, read, flags = (cell.strip() for cell in line.split("|"))
    series = Series(Rule(rule))
    for report in reports.split(";"):
        series.add(Reading(usage_of(report)))
    assert series.reading == Reading(usage_of(read), Flag.ANOMALY if flags else NO_FLAGS)


def test_no_report_is_no_reading() -> None:
    assert Series().reading is None


def test_flags_and_unknown_figures_are_those_of_the_reports_that_count() -> None:
    series = Series()
    series.add(Reading(Usage(input=1), Flag.ANOMALY, ("gone",)))
    series.add(Reading(Usage(input=2), Flag.UNKNOWN, ("seconds",)))
    series.add(Reading(Usage(output=2), Flag.UNKNOWN, ("seconds", "searches")))
    assert series.reading == Reading(Usage(input=2, output=2), Flag.UNKNOWN, ("seconds", "searches"))


COUNTED = Usage(input=50, output=20)
REPORTED = Reading(Usage(input=7, cached_input=3, output=6, reasoning=1), Flag.UNKNOWN, ("n",))


def test_what_was_reported_counts_and_nothing_is_guessed_beside_it() -> None:
    assert conclude(REPORTED, COUNTED) is REPORTED


def test_without_a_report_what_was_counted_counts_and_says_so() -> None:
    assert conclude(None, COUNTED) == Reading(COUNTED, Flag.ESTIMATED)
    assert conclude(None, NO_USAGE) == Reading(NO_USAGE, Flag.ESTIMATED)


def test_a_report_of_nothing_is_no_report_unless_nothing_was_said() -> None:
    assert conclude(Reading(NO_USAGE), COUNTED) == Reading(COUNTED, Flag.ESTIMATED)
    assert conclude(Reading(NO_USAGE), NO_USAGE) == Reading(NO_USAGE)


def test_an_answer_that_was_cut_pays_what_was_reported_and_the_text_after_it() -> None:
    found = conclude(REPORTED, COUNTED, since=4)
    expected = Usage(input=7, cached_input=3, output=10, reasoning=1)
    assert found == Reading(expected, Flag.UNKNOWN | Flag.ESTIMATED, ("n",))


def test_an_input_that_was_never_reported_is_counted() -> None:
    found = conclude(Reading(Usage(output=6)), COUNTED, since=4)
    assert found == Reading(Usage(input=50, output=10), Flag.ESTIMATED)


@pytest.mark.parametrize(
    ("usage", "input_held", "output_held", "kept"),
    [
        (Usage(input=5, output=6), 5, 6, Usage(input=5, output=6)),
        (Usage(input=5, output=6), 4, 2, Usage(input=4, output=2)),
        (Usage(input=5, cached_input=4, output=6, reasoning=4), 7, 8, Usage(5, 2, output=6, reasoning=2)),
        (Usage(input=5, output=6), 0, 0, NO_USAGE),
    ],
)
def test_a_guess_costs_no_more_than_was_held(usage: Usage, input_held: int, output_held: int, kept: Usage) -> None:
    assert bounded(Reading(usage, Flag.ESTIMATED), input_held, output_held) == Reading(kept, Flag.ESTIMATED)
    assert bounded(Reading(usage), input_held, output_held) == Reading(usage)


@pytest.mark.parametrize(
    ("usage", "said", "free"),
    [
        (Usage(input=3, output=1), False, True),
        (Usage(input=3, output=1), True, False),
        (Usage(input=3, reasoning=9), False, False),
        (Usage(input=3, audio_output=9), False, False),
    ],
    ids=["nothing", "words", "thought", "sound"],
)
def test_an_answer_without_a_word_is_free(usage: Usage, said: bool, free: bool) -> None:
    reading = Reading(usage, Flag.ANOMALY, ("new_tokens",))
    found = unless_empty(reading, said=said)
    assert found == (Reading(NO_USAGE, Flag.EMPTY, ("new_tokens",)) if free else reading)
