from puyun.metering.allowance import FIRST_STEP
from puyun.metering.bound import Facts
from puyun.metering.experience import UNKNOWN_MAX, Ended, Experience
from puyun.metering.media.attachment import Attachments
from puyun.metering.ratio import Script
from puyun.metering.reading import Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import Usage


def facts(**changed) -> Facts:
    return Facts(**({"key": 1, "model": "m", "text": 4_000, "script": Script.LATIN, "most": 8_000} | changed))


def taught(of: Facts, usage: Usage, flags: Flag = NO_FLAGS, milliseconds: int = 1_000) -> Experience:
    experience = Experience()
    for _ in range(300):
        experience.learn(Ended(of, Reading(usage, flags), milliseconds))
    return experience


def test_a_key_s_answers_and_a_model_s_tokens_a_byte_are_learned() -> None:
    fresh, learned = Experience(), taught(facts(), Usage(input=1_000, output=500))
    assert fresh.first_hold(facts())[1] == FIRST_STEP
    inputs, outputs = learned.first_hold(facts())
    assert 1_000 <= inputs < 1_100
    assert 450 <= outputs <= 550
    assert learned.first_hold(facts(key=2))[1] == FIRST_STEP
    assert learned.first_hold(facts(key=2))[0] == inputs
    assert learned.first_hold(facts(model="n")) == fresh.first_hold(facts(model="n"))


def test_the_answers_of_one_call_share_its_output() -> None:
    learned = taught(facts(answers=4), Usage(input=1_000, output=2_000))
    assert 450 <= learned.first_hold(facts())[1] <= 550


def test_our_own_estimates_teach_nothing() -> None:
    learned = taught(facts(), Usage(input=1_000, output=500), Flag.ESTIMATED)
    assert learned.first_hold(facts()) == Experience().first_hold(facts())


def test_pictures_do_not_count_as_text() -> None:
    learned = taught(facts(attachments=Attachments(pages=3)), Usage(input=3_000, output=500))
    assert learned.first_hold(facts())[0] == Experience().first_hold(facts())[0]


def test_only_a_model_that_reasons_is_reckoned_to_think_in_silence() -> None:
    assert taught(facts(), Usage(input=9, output=500)).silent_pace("m") == 0
    assert 450 <= taught(facts(), Usage(input=9, output=100, reasoning=400)).silent_pace("m") <= 550


def test_unknown_figures_are_told_of_once_a_deployment() -> None:
    experience, odd = Experience(), Reading(Usage(), unknown=("magic_tokens",))
    assert experience.first_unknown(1, Reading(Usage())) == ()
    assert experience.first_unknown(1, odd) == ("magic_tokens",)
    assert experience.first_unknown(1, odd) == ()
    told = sum(bool(experience.first_unknown(number, odd)) for number in range(UNKNOWN_MAX + 9))
    assert told == UNKNOWN_MAX - 1
