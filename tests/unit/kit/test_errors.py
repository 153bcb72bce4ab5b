from puyun.kit.errors import Blame, PuyunError


def test_an_error_says_what_when_and_whose_fault() -> None:
    error = PuyunError("tier_not_allowed", 403, "Choose another tier.", param="service_tier")
    assert str(error) == error.message == "Choose another tier."
    assert (error.code, error.status, error.param, error.blame) == (
        "tier_not_allowed",
        403,
        "service_tier",
        Blame.CLIENT,
    )
    assert (error.details, error.headers) == ({}, {})


def test_errors_share_nothing() -> None:
    one, two = PuyunError("a", 400, "x"), PuyunError("b", 400, "y")
    one.details["k"] = "v"
    one.headers["k"] = "v"
    assert (two.details, two.headers) == ({}, {})
