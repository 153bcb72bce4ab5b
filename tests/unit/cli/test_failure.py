from puyun.cli.failure import Exit, Failure, not_found, of_error, usage
from puyun.kit.errors import PuyunError


def test_three_lines() -> None:
    assert Failure("What.", "Why.", "Do.").lines() == "Error: What.\nWhy:   Why.\nDo:    Do."


def test_the_kinds() -> None:
    assert not_found("key", "x", "Look.").exit_code == Exit.NOT_FOUND
    assert usage("Wrong.", "a thing").why == "Expected a thing."


def test_an_error_we_have_advice_for() -> None:
    failure = of_error(PuyunError("organization_exists", 409, "There is an organization called 'a' already."))
    assert failure.why.startswith("Names of organizations are unique")
    assert failure.do.endswith("puyun org show NAME.") or failure.do.endswith("puyun org show NAME")
    assert failure.exit_code == Exit.REFUSED


def test_a_setting_s_message_stays_whole_and_is_wrong_usage() -> None:
    failure = of_error(PuyunError("invalid_setting", 500, "a.toml: server.port: 1. 2 is wrong"))
    assert failure.what == "a.toml: server.port: 1. 2 is wrong."
    assert failure.exit_code == Exit.USAGE
