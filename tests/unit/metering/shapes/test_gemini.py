"""Gemini's usage where it contradicts itself; the shapes it really has are in tests/data/usage."""

import pytest

from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.shapes.gemini import read_gemini
from puyun.metering.usage import Usage

PROMPT, SAID = {"promptTokenCount": 40}, {"candidatesTokenCount": 60}


def modality(name: str, tokens: object) -> list[object]:
    return [{"modality": "TEXT", "tokenCount": 1}, {"modality": name, "tokenCount": tokens}]


ODD = [
    ("thoughts within the candidates", {"thoughtsTokenCount": 20, "totalTokenCount": 100}, "output=40 reasoning=20"),
    ("more thoughts than candidates", {"thoughtsTokenCount": 70, "totalTokenCount": 100}, "output=0 reasoning=60"),
    ("tools within the prompt", {"toolUsePromptTokenCount": 15, "totalTokenCount": 100}, "output=60"),
    ("a total of anything", {"totalTokenCount": 7}, "output=60"),
    ("more cached than sent", {"cachedContentTokenCount": 50}, "input=0 cached_input=40 output=60"),
    ("more sound than sent", {"promptTokensDetails": modality("AUDIO", 50)}, "input=0 audio=40 output=60"),
    ("more pictures than sent", {"promptTokensDetails": modality("IMAGE", 50)}, "input=0 image_input=40 output=60"),
    ("more spoken than said", {"candidatesTokensDetails": modality("AUDIO", 70)}, "output=0 audio_output=60"),
    ("a detail that is no number", {"promptTokensDetails": modality("AUDIO", "ten")}, "output=60"),
]


@pytest.mark.parametrize(("change", "buckets"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_what_contradicts_itself_is_read_the_cheaper_way(change: dict[str, object], buckets: str) -> None:
    usage = {"input": 40} | {name: int(count) for name, count in (word.split("=") for word in buckets.split())}
    reading = read_gemini(PROMPT | SAID | change)
    assert (reading.usage, reading.flags) == (Usage(**usage), Flag.ANOMALY)


def test_what_is_no_detail_is_none() -> None:
    for details in (None, "many", {"modality": "AUDIO"}, [1, None, "x", {}]):
        reading = read_gemini(PROMPT | SAID | {"promptTokensDetails": details})
        assert (reading.usage, reading.flags) == (Usage(input=40, output=60), NO_FLAGS)


def test_a_modality_that_is_told_twice_counts_once() -> None:
    details = modality("AUDIO", 10) + modality("AUDIO", 10)
    assert read_gemini(PROMPT | {"promptTokensDetails": details}).usage == Usage(input=30, audio=10)
