import msgspec

from puyun.catalog.model import METERS
from puyun.metering.usage import BUCKETS, INPUT_BUCKETS, NO_USAGE, OUTPUT_BUCKETS, Usage


def test_every_bucket_is_a_field_and_a_meter() -> None:
    assert set(BUCKETS) == {field.name for field in msgspec.structs.fields(Usage)}
    assert list(BUCKETS) == [field.name for field in msgspec.structs.fields(Usage)]
    assert set(BUCKETS) <= set(METERS)
    assert set(INPUT_BUCKETS).isdisjoint(OUTPUT_BUCKETS)


def test_totals_count_each_bucket_once() -> None:
    usage = Usage(**{bucket: 10**place for place, bucket in enumerate(BUCKETS)})
    assert (usage.input_tokens, usage.output_tokens, usage.total) == (111111, 111000000, 111111111)
    assert NO_USAGE.total == 0


def test_the_buckets_that_come_last_lose_theirs_first() -> None:
    usage = Usage(input=5, cached_input=4, image_input=3, output=2, audio_output=1)
    assert usage.at_most(12, 3) is usage
    assert usage.at_most(8, 3) == Usage(input=5, cached_input=3, output=2, audio_output=1)
    assert usage.at_most(12, 1) == Usage(input=5, cached_input=4, image_input=3, output=1)
    assert usage.at_most(-1, 0) == NO_USAGE
